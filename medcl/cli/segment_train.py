"""medcl segment train."""

from __future__ import annotations

import typer

from medcl.cli.flags import door
from medcl.cli.forecast import told_without_run
from medcl.workflows.segment_train import SegmentTrained, SegmentTrainOptions, segment_train


def summary(done: SegmentTrained) -> None:
    """Say where the network is and what comes next; of several processes the first one does."""
    if told_without_run(done.forecast):
        return
    assert done.run is not None
    typer.echo(f"Run {done.run.name} is in {done.run.path}")
    typer.echo("Next: medcl segment apply")


command = door(SegmentTrainOptions, segment_train, summary)
