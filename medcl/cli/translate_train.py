"""`medcl translate train`."""

from __future__ import annotations

import typer

from medcl.cli.flags import door
from medcl.cli.forecast import told_without_run
from medcl.workflows.translate_train import Translated, TranslateTrainOptions, translate_train


def summary(done: Translated) -> None:
    """Say where the networks are and what comes next; of several processes the first one does."""
    if told_without_run(done.forecast):
        return
    assert done.run is not None
    typer.echo(f"Run {done.run.name} is in {done.run.path}")
    typer.echo(f"Page: {done.page}")
    then = "; medcl segment apply, for masks of target images" if done.segments else ""
    typer.echo(f"Next: medcl translate apply --run {done.run.name}{then}")


command = door(TranslateTrainOptions, translate_train, summary)
