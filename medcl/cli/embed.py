"""`medcl embed`."""

from __future__ import annotations

import typer

from medcl.cli.flags import door
from medcl.study.plural import counted
from medcl.workflows.embed import Embedded, EmbedOptions, embed


def summary(made: Embedded) -> None:
    """Say what was written and where."""
    folds = f" by each of {made.folds} folds' encoders" if made.folds > 1 else ""
    typer.echo(
        f"{counted(made.features, 'feature')} of {counted(made.images, 'image')} of "
        f"{counted(made.patients, 'patient')}, by the run {made.run}{folds}."
    )
    typer.echo(f"Features: {made.output}")
    if made.output.suffix == ".csv":  # files per exam are for other programs
        typer.echo("Next: medcl visualize")


command = door(EmbedOptions, embed, summary)
