"""`medcl visualize`."""

from __future__ import annotations

import typer

from medcl.cli.flags import door
from medcl.study.plural import counted
from medcl.workflows.visualize import Visualized, VisualizeOptions, visualize


def summary(made: Visualized) -> None:
    """Say what is shown and where the page is."""
    missing = f", {made.missing} without a value" if made.missing else ""
    people = f"{counted(made.points, 'point')} of {counted(made.patients, 'patient')}"
    typer.echo(f"{people}, coloured by {made.color}{missing}.")
    typer.echo(f"Page: {made.page}")


command = door(VisualizeOptions, visualize, summary)
