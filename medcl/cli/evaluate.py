"""`medcl evaluate`."""

from __future__ import annotations

import typer

from medcl.cli.flags import door
from medcl.workflows.evaluate import Evaluated, EvaluateOptions, evaluate


def summary(done: Evaluated) -> None:
    """Print the main score of every row, features beside baselines, and say where the rest is."""
    for each in done.scored:
        found = each.found
        label = each.candidate.name + (f" ({each.probe})" if each.probe else "")
        words = f"{label}, fitted on {found.fitted_on}"
        if not found.scores:
            typer.echo(f"{words}: no score. {found.reason}")
            continue
        name, score = next(iter(found.scores.items()))
        tested = f", p {found.permuted.p:.3g}" if found.permuted else ""
        seen = "; THE ENCODER SAW SCORED PATIENTS" if found.seen else ""
        typer.echo(f"{words}: {name} {score.value:.3f} ({score.low:.3f} to {score.high:.3f}){tested}{seen}")
    typer.echo(f"Tables: {done.folder}")
    if done.page is not None:
        typer.echo(f"Page: {done.page}")


command = door(EvaluateOptions, evaluate, summary)
