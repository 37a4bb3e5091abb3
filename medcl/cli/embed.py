"""`medcl embed`."""

from __future__ import annotations

import typer

from medcl.cli.flags import door
from medcl.workflows.embed import Embedded, EmbedOptions, embed


def summary(made: Embedded) -> None:
    """Say what was written and where."""
    folds = f" by each of {made.folds} folds' encoders" if made.folds > 1 else ""
    typer.echo(
        f"{made.features} features of {made.images} images of {made.patients} patients, by the run {made.run}{folds}."
    )
    typer.echo(f"Features: {made.output}")


command = door(EmbedOptions, embed, summary)
