"""splits.csv: the parts that patients belong to, as medcl wrote it or as somebody edited it in a spreadsheet."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from medcl.study.errors import BadInput
from medcl.study.files import write_whole
from medcl.study.names import key, reserved_name
from medcl.study.problems import Problems
from medcl.study.rows import SPLIT_WORDS
from medcl.study.spelling import folded
from medcl.study.table import Table, read_table

PARTS = ("train", "val", "test")


@dataclass(frozen=True)
class Splits:
    """One or several divisions (folds) of the patients.

    Attributes:
        frame: columns patient, split (train, val, test) and fold (1, 2, ...).
        notes: how the division came about and what is unusual in it, for people.
        file: the table that it was read from; None of a division that was drawn.
    """

    frame: pd.DataFrame
    notes: tuple[str, ...] = ()
    file: Path | None = None

    @classmethod
    def of_parts(cls, parts: Mapping[int, Mapping[str, str]], notes: tuple[str, ...] = ()) -> Splits:
        """Splits from the part of each patient, by fold."""
        rows = [(patient, word, fold) for fold, part in sorted(parts.items()) for patient, word in part.items()]
        return cls(pd.DataFrame(rows, columns=["patient", "split", "fold"]), notes)

    @property
    def folds(self) -> list[int]:
        """Numbers of the folds; [1] of a single division."""
        return sorted(int(fold) for fold in self.frame["fold"].unique())

    def of(self, fold: int = 1) -> dict[str, str]:
        """The part of each patient in a fold."""
        rows = self.frame[self.frame["fold"] == fold]
        if rows.empty:
            raise BadInput(f"There is no fold {fold}; the folds are {', '.join(map(str, self.folds))}.")
        return dict(zip(rows["patient"], rows["split"], strict=True))

    def only(self, fold: int) -> Splits:
        """One fold as a single division, numbered 1: what is written into that fold's own folder."""
        return Splits.of_parts({1: self.of(fold)}, self.notes)

    def counts(self, fold: int = 1) -> dict[str, int]:
        """Number of patients in each part."""
        parts = list(self.of(fold).values())
        return {part: parts.count(part) for part in PARTS}

    def write(self, path: Path) -> None:
        """Write splits.csv, whole or not at all."""
        with write_whole(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["patient", "split", "fold"])
            for patient, part, fold in self.frame[["patient", "split", "fold"]].itertuples(index=False):
                writer.writerow([patient, part, fold])


def read_splits(path: Path) -> Splits:
    """Read a splits.csv: columns patient, split (train, val, test) and, for several folds, fold (1, 2, ...).

    Raises:
        BadInput: with every row that cannot be used: unknown words, a patient twice in a fold, no row.
    """
    path = Path(path)
    problems = Problems(path)
    table = read_table(path, problems, recognise=lambda name: _meaning(name) != "")
    columns = _columns(table, problems)
    rows: list[tuple[str, str, int]] = []
    seen: dict[tuple[str, int], int] = {}
    for cells, line in zip(table.rows, table.lines, strict=True):
        row = {name: cells[index] for name, index in columns.items()}
        patient, word, fold = row.get("patient", ""), row.get("split", ""), row.get("fold", "1")
        if "patient" in columns and not patient:
            problems.add("is empty: every row needs a patient", row=line, column="patient", kind="empty cells")
        if "split" in columns and folded(word) not in SPLIT_WORDS:
            message = f"'{word}' is no part of a split: expected train, val or test"
            problems.add(message, row=line, column="split", kind="unknown split")
        if not fold.isdecimal() or int(fold) < 1:
            problems.add(f"'{fold}' is no number of a fold (1, 2, ...)", row=line, column="fold", kind="folds")
            continue
        first = seen.setdefault((patient, int(fold)), line)
        if patient and first != line:
            message = f"patient '{patient}' stands in row {first} already: keep one of the rows"
            problems.add(message, row=line, kind="patients twice")
        rows.append((patient, SPLIT_WORDS.get(folded(word), ""), int(fold)))
    if table.header and not table.rows and not problems:
        problems.add("has no rows")
    problems.raise_if_any()
    return Splits(pd.DataFrame(rows, columns=["patient", "split", "fold"]), (f"given: {path}",), path)


def _meaning(header: str) -> str:
    if key(header) == "fold":
        return "fold"
    name = reserved_name(header)
    return name if name in ("patient", "split") else ""


def _columns(table: Table, problems: Problems) -> dict[str, int]:
    columns: dict[str, int] = {}
    for index, header in enumerate(table.header):
        name = _meaning(header)
        if name in columns:
            problems.add(f"columns {columns[name] + 1} and {index + 1} both mean {name}: keep one")
        elif name:
            columns[name] = index
    for name in ("patient", "split"):
        if table.header and name not in columns:
            there = ", ".join(f"'{header}'" for header in table.header)
            problems.add(f"the required column '{name}' is missing; the columns are {there}")
    return columns
