"""metrics.csv: one row for each epoch and split, the file that people plot.

Columns: epoch (from 1), step (steps done), split (train or val), loss, what the method logs, lr, grad_norm (before
clipping), spread, effective_rank, collapse_distance, images, and times: seconds, and the shares of the step time.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from medcl.study.errors import BadInput
from medcl.study.files import write_text
from medcl.training.clock import PHASES

KEYS = ("epoch", "step", "split")

TIME_COLUMNS = ("seconds", *(f"{phase}_share" for phase in PHASES))
"""Columns that depend on the machine's speed; all others are equal bit for bit when a run is resumed."""

FILE = "metrics.csv"


class Follower(Protocol):
    """Whoever else is told the rows of metrics.csv, as they stand in the file (`TensorBoardLog` is one)."""

    def restart(self, rows: Sequence[Mapping[str, str]]) -> None:
        """These are all rows so far, at the beginning of a run or of its continuation."""

    def add(self, rows: Sequence[Mapping[str, str]]) -> None:
        """These came after them."""

    def close(self) -> None:
        """Nothing more comes."""


class Metrics:
    """The rows of metrics.csv; the file is replaced whole at each change.

    Args:
        folder: the run's folder; rows that are there already are kept.
        followers: told the same rows.

    Raises:
        BadInput: there is a metrics.csv that cannot be read.
    """

    def __init__(self, folder: Path, followers: Sequence[Follower] = ()) -> None:
        self.file = folder / FILE
        self._followers = followers
        self.rows: list[dict[str, str]] = _read(self.file) if self.file.exists() else []

    def append(self, *rows: Mapping[str, object]) -> None:
        """Add rows; numbers are written so that reading them back gives the same numbers."""
        written = [{name: _cell(value) for name, value in row.items()} for row in rows]
        self.rows += written
        self._write()
        for follower in self._followers:
            follower.add(written)

    def cut_back(self, epochs: int) -> None:
        """Drop the rows after the first `epochs` epochs, which a resumed run makes again; the others are kept."""
        kept = [row for row in self.rows if int(row["epoch"]) <= epochs]
        if len(kept) < len(self.rows):
            self.rows = kept
            self._write()
        for follower in self._followers:
            follower.restart(self.rows)

    def close(self) -> None:
        """Tell the followers that nothing more comes."""
        for follower in self._followers:
            follower.close()

    def _write(self) -> None:
        names = dict.fromkeys(name for row in self.rows for name in row)
        middle = [name for name in names if name not in KEYS and name not in TIME_COLUMNS]
        text = io.StringIO()
        writer = csv.DictWriter(text, [*KEYS, *middle, *TIME_COLUMNS], restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_text(self.file, text.getvalue())


def _cell(value: object) -> str:
    return repr(value) if isinstance(value, float) else str(value)


def _read(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as text:
        rows = list(csv.DictReader(text))
    if any(not str(row.get("epoch")).isdecimal() or None in row for row in rows):
        raise BadInput(f"{file}: this is no metrics.csv of a medcl run (every row has an epoch). Restore or delete it.")
    return [{name: value for name, value in row.items() if value} for row in rows]
