"""Collects everything that is wrong in a table, so that the user sees it all in one message."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from medcl.study.errors import BadInput

SHOWN_PER_KIND = 10
"""Problems of one kind and column that are written out; of the others the number and the rows are told."""


@dataclass
class Problems:
    """The problems of one file, each with row (line number in the file) and column where they have one."""

    file: Path
    found: list[tuple[int, str, str, str]] = field(default_factory=list)

    def add(self, message: str, *, row: int = 0, column: str = "", kind: str = "") -> None:
        """Note one problem; those with equal `kind` and `column` are cut after the first ten."""
        self.found.append((row, column, message, kind or message))

    def __bool__(self) -> bool:
        return bool(self.found)

    def lines(self) -> list[str]:
        """One line a problem: first those of the whole table, then by row."""
        told: dict[tuple[str, str], int] = {}
        cut: dict[tuple[str, str], list[int]] = {}
        lines = []
        for row, column, message, kind in sorted(self.found, key=lambda problem: problem[0]):
            group = (kind, column)
            told[group] = told.get(group, 0) + 1
            if told[group] > SHOWN_PER_KIND:
                cut.setdefault(group, []).append(row)
                continue
            lines.append(f"{self._place(row, column)}: {message}")
        for (kind, column), rows in cut.items():
            listed = ", ".join(str(row) for row in rows[:20]) + (", ..." if len(rows) > 20 else "")
            lines.append(f"{self._place(0, column)}: {len(rows)} more like these ({kind}), rows {listed}")
        return lines

    def raise_if_any(self) -> None:
        """Raise one BadInput with all problems, if there is any."""
        if self.found:
            raise BadInput(self.lines())

    def _place(self, row: int, column: str) -> str:
        here = Path.cwd()
        place = str(self.file.relative_to(here) if self.file.is_relative_to(here) else self.file)
        if row:
            place += f", row {row}"
        if column:
            place += f", column '{column}'"
        return place
