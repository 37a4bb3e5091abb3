"""medcl pretrain."""

from __future__ import annotations

import typer

from medcl.cli.flags import door
from medcl.workflows.pretrain import Pretrained, PretrainOptions, pretrain
from medcl.workflows.processes import is_main_process


def summary(done: Pretrained) -> None:
    """Say where the encoder is and what comes next; of several processes the first one does."""
    if not is_main_process():
        return
    if done.forecast is not None:
        for sentence in done.forecast.sentences():
            typer.echo(sentence)
        typer.echo("A dry run: nothing was written.")
        return
    assert done.run is not None
    typer.echo(f"Run {done.run.name} is in {done.run.path}")
    dense = done.run.record.get("options", {}).get("method") == "dense"
    typer.echo(f"Next: medcl segment train --init-from {done.run.path}" if dense else "Next: medcl embed")


command = door(PretrainOptions, pretrain, summary)
