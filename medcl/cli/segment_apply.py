"""`medcl segment apply`."""

from __future__ import annotations

import typer

from medcl.cli.flags import door
from medcl.study.plural import counted
from medcl.workflows.segment_apply import SegmentApplied, SegmentApplyOptions, segment_apply


def summary(made: SegmentApplied) -> None:
    """Say what was written and where."""
    people = f" of {counted(made.patients, 'patient')}" if made.patients else ""
    rate = f"{made.masks / made.seconds:.3g}" if made.seconds > 0 else "many"
    typer.echo(f"{counted(made.masks, 'mask')}{people} by the run {made.run}, {made.seconds:.1f} s ({rate} a second).")
    if made.segs:
        typer.echo(f"{counted(made.segs, 'DICOM SEG file')} beside them carry the patients' headers, names included.")
    for line in made.left_out_told:
        typer.echo(f"Left out: {line}")
    typer.echo(f"Masks: {made.folder}")
    if made.evaluation:
        typer.echo(f"Next: {made.evaluation}")


command = door(SegmentApplyOptions, segment_apply, summary)
