"""`medcl translate apply`."""

from __future__ import annotations

import typer

from medcl.cli.flags import door
from medcl.study.plural import counted
from medcl.workflows.translate_apply import TranslateApplied, TranslateApplyOptions, translate_apply

UNITS = {"HU": "in Hounsfield units", "0..1": "in 0..1: the target's intensities have no unit"}


def summary(made: TranslateApplied) -> None:
    """Say what was written, in which unit and where."""
    people = f" of {counted(made.patients, 'patient')}" if made.patients else ""
    rate = f"{made.images / made.seconds:.3g}" if made.seconds > 0 else "many"
    typer.echo(
        f"{counted(made.images, 'translation')}{people} by the run {made.run}, {made.seconds:.1f} s ({rate} a second), "
        f"{UNITS[made.unit]}."
    )
    for line in made.left_out_told:
        typer.echo(f"Left out: {line}")
    typer.echo(f"Translations: {made.folder}")


command = door(TranslateApplyOptions, translate_apply, summary)
