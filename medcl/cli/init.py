"""The door of `medcl init`."""

from __future__ import annotations

import typer

from medcl.cli.flags import door
from medcl.workflows.init import InitOptions, Started, init


def summary(started: Started) -> None:
    """Tell what was written and what comes next."""
    for file in started.kept:
        typer.echo(f"kept   {file}")
    for file in started.written:
        typer.echo(f"wrote  {file}")
    typer.echo(
        "Next: fill cohort.csv, one row per image; look at it with `medcl list variables`; then `medcl preprocess`."
    )


command = door(InitOptions, init, summary)
