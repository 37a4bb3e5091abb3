"""`medcl visualize`."""

from __future__ import annotations

import typer

from medcl.cli.flags import door
from medcl.workflows.visualize import Visualized, VisualizeOptions, visualize


def summary(made: Visualized) -> None:
    """Say what is shown and where the page is."""
    missing = f", {made.missing} without a value" if made.missing else ""
    typer.echo(f"{made.points} points of {made.patients} patients, coloured by {made.color}{missing}.")
    typer.echo(f"Page: {made.page}")


command = door(VisualizeOptions, visualize, summary)
