"""What a run wrote into metrics.csv, to be compared with another run's."""

from __future__ import annotations

from pathlib import Path

from medcl.training.metrics import FILE


def rows_of(folder: Path) -> list[list[str]]:
    """metrics.csv without its times."""
    lines = [line.split(",") for line in (folder / FILE).read_text().splitlines()]
    timed = {place for place, name in enumerate(lines[0]) if name.endswith("_share") or name == "seconds"}
    return [[cell for place, cell in enumerate(line) if place not in timed] for line in lines]
