"""medcl segment train."""

from __future__ import annotations

import typer

from medcl.cli.flags import door
from medcl.workflows.processes import is_main_process
from medcl.workflows.segment_train import SegmentTrained, SegmentTrainOptions, segment_train


def summary(done: SegmentTrained) -> None:
    """Say where the network is and what comes next; of several processes the first one does."""
    if not is_main_process():
        return
    if done.forecast is not None:
        for sentence in done.forecast.sentences():
            typer.echo(sentence)
        typer.echo("A dry run: nothing was written.")
        return
    assert done.run is not None
    typer.echo(f"Run {done.run.name} is in {done.run.path}")
    typer.echo("Next: medcl segment apply")


command = door(SegmentTrainOptions, segment_train, summary)
