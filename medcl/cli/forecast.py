"""What a training command prints when there is no run to tell of: after a dry run, and in processes but the first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from medcl.workflows.processes import is_main_process

if TYPE_CHECKING:
    from medcl.training.dry_run import Forecast


def told_without_run(forecast: Forecast | None) -> bool:
    """Print the forecast of a dry run; return whether nothing is left to say."""
    if not is_main_process():
        return True
    if forecast is None:
        return False
    for sentence in forecast.sentences():
        typer.echo(sentence)
    typer.echo("A dry run: nothing was written.")
    return True
