"""The door of `medcl list`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import typer

from medcl.cli.flags import door
from medcl.workflows.listing import Listing, ListOptions, listing

COLUMNS = {
    "methods": ("name", "command", "title", "needs", "paper"),
    "runs": ("name", "kind", "status", "started", "seconds", "reason"),
    "variables": ("name", "header", "unit", "kind", "present", "missing", "range"),
}


def summary(found: Listing) -> None:
    """Print the entries as aligned columns, or as JSON."""
    if found.json:
        typer.echo(json.dumps(found.rows, indent=2, ensure_ascii=False))
        return
    if not found.rows:
        typer.echo(f"No {found.what} in {found.where}.")
        return
    columns = COLUMNS[found.what]
    table = [columns, *([_text(row.get(column)) for column in columns] for row in found.rows)]
    widths = [max(len(line[index]) for line in table) for index in range(len(columns))]
    for line in table:
        typer.echo("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())
    for row in found.rows:
        for note in row.get("notes") or ():
            typer.echo(f"{row['name']}: {note}")
        if row.get("censored"):
            count = row["censored"]
            told = "value given as a limit" if count == 1 else "values given as limits"
            typer.echo(f"{row['name']}: {count} {told} (as <15), read as the limit itself")


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.1f}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(_text(part) for part in value)
    return " ".join(str(value).split())  # a reason may have several lines


command = door(ListOptions, listing, summary)
