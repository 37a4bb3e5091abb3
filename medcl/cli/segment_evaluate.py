"""`medcl segment evaluate`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from medcl.cli.flags import door
from medcl.study.plural import counted
from medcl.workflows.segment_evaluate import SegmentEvaluated, SegmentEvaluateOptions, segment_evaluate

if TYPE_CHECKING:
    from medcl.evaluation.segmentation_summary import Spread

SHOWN = {"dice": ("Dice", 3), "assd_mm": ("ASSD mm", 2), "hd95_mm": ("HD95 mm", 2)}
"""Metrics of the printed table, and their decimals; the files have all."""

_WIDEST = 24
"""Letters of a word that are never broken; longer ones go on below."""


def summary(made: SegmentEvaluated) -> None:
    """Print the metrics of each class as a table, and where the rest is."""
    from rich.console import Console
    from rich.table import Table

    empties = any(row.prediction_empty or row.truth_empty or row.both_empty for row in made.summary)
    longest = max(len(word) for row in made.summary for word in row.name.split())
    table = Table(title=f"{counted(made.cases, 'case')} of {counted(made.patients, 'patient')}")
    table.add_column("class", min_width=min(longest, _WIDEST), overflow="fold")  # numbers give way, names stay whole
    for title, _ in SHOWN.values():
        table.add_column(title, justify="right")
    if empties:
        table.add_column("empty *", justify="right", no_wrap=True)
    for row in made.summary:
        if row.value is None:
            table.add_section()
        empty = [f"{row.prediction_empty} / {row.truth_empty} / {row.both_empty}"] if empties else []
        table.add_row(row.name, *(_told(row.spreads[name], SHOWN[name][1]) for name in SHOWN), *empty)
    Console().print(table)
    known = any(row.spreads[name].low == row.spreads[name].low for row in made.summary for name in SHOWN)
    interval = "; below it the 95% interval of the mean, drawn by patient" if known else ""
    typer.echo(f"Mean ± standard deviation over cases{interval}.")
    if empties:
        typer.echo(
            "* cases without the class in the prediction / in the truth / in neither mask. The first "
            "two: Dice 0, distance the image's diagonal; the last are left out."
        )
    typer.echo(f"Results: {made.folder}")
    if made.page is not None:
        typer.echo(f"Page: {made.page}")


def _told(spread: Spread, decimals: int) -> str:
    if spread.mean != spread.mean:
        return "undefined"
    deviation = f" ± {spread.deviation:.{decimals}f}" if spread.deviation == spread.deviation else ""
    interval = f"\n{spread.low:.{decimals}f} to {spread.high:.{decimals}f}" if spread.low == spread.low else ""
    return f"{spread.mean:.{decimals}f}{deviation}{interval}"


command = door(SegmentEvaluateOptions, segment_evaluate, summary)
