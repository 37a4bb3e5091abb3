"""medcl pretrain."""

from __future__ import annotations

import typer

from medcl.cli.flags import door
from medcl.cli.forecast import told_without_run
from medcl.workflows.pretrain import Pretrained, PretrainOptions, pretrain


def summary(done: Pretrained) -> None:
    """Say where the encoder is and what comes next; of several processes the first one does."""
    if told_without_run(done.forecast):
        return
    assert done.run is not None
    typer.echo(f"Run {done.run.name} is in {done.run.path}")
    dense = done.run.record.get("options", {}).get("method") == "dense"
    typer.echo(f"Next: medcl segment train --init-from {done.run.path}" if dense else "Next: medcl embed")


command = door(PretrainOptions, pretrain, summary)
