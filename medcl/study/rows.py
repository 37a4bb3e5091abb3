"""The columns of a cohort table that medcl itself reads, and everything that can be wrong with them."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from medcl.study.columns import numbers_of, table_signs
from medcl.study.dates import read_dates
from medcl.study.numbers import NumberColumn
from medcl.study.problems import Problems
from medcl.study.reserved_columns import ReservedColumns
from medcl.study.spelling import folded, unify
from medcl.study.table import Table

SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
}
SPLIT_WORDS |= {"test": "test", "testing": "test", "held-out": "test", "heldout": "test", "held out": "test"}
"""Words of a split column and of splits.csv, and the part that each means."""

MODALITY_WORDS = {"mri": "mr", "irm": "mr", "mrt": "mr", "rm": "mr", "tdm": "ct", "scanner": "ct"}
"""Other words for the modalities that medcl knows; every other word stands for itself."""

_UNSAFE = re.compile(r'[/\\:*?"<>|\x00-\x1f]')


@dataclass(frozen=True)
class RowReader(ReservedColumns):
    """Reads the reserved columns of a table.

    Attributes:
        table: the cohort table.
        columns: index of each reserved column that is there.
        problems: receives what is wrong.
    """

    table: Table
    columns: dict[str, int]
    problems: Problems

    def frame(self, need_images: bool) -> tuple[pd.DataFrame, list[str]]:
        """The frame of a cohort and notes on spellings that were unified."""
        lines = self.table.lines
        content: dict[str, list[str]] = {"patient": self.required("patient")}
        notes = []
        for name in ("exam", "sequence", "site", "scanner"):
            content[name], changed = unify(self.texts(name))
            notes += [f"column '{self.header(name)}': {note}" for note in changed]
        content["image"] = self.files("image", self.required("image"), need_images)
        content["mask"] = self.files("mask", self.texts("mask"), need_images)
        content["modality"] = [MODALITY_WORDS.get(folded(cell), folded(cell)) for cell in self.texts("modality")]
        content["split"] = self.splits(content["patient"])
        for name in ("date", "reference_date"):
            content[name] = read_dates(self.texts(name), lines, self.header(name), self.problems)
        self.refuse_two_references(content["patient"], content["reference_date"])
        column = NumberColumn(self.texts("days"))
        days = numbers_of(self.header("days"), column, lines, self.problems, table_signs(self.table, [column]))
        content["case"] = self.cases(content["patient"], content["exam"], content["sequence"])
        self.refuse_twice("image", content["image"])
        self.refuse_alike_patients(content["patient"])
        order = (
            "case",
            "patient",
            "exam",
            "sequence",
            "image",
            "modality",
            "mask",
            "split",
            "site",
            "scanner",
            "date",
            "reference_date",
        )
        frame = pd.DataFrame({name: content[name] for name in order}, dtype=object)
        frame["days"] = pd.Series(days.values, dtype="float64", index=frame.index)
        frame["row"] = pd.Series(lines, dtype="int64", index=frame.index)
        return frame, notes

    def required(self, name: str) -> list[str]:
        """Cells of a required column; empty ones are problems."""
        cells = self.texts(name)
        if name in self.columns:
            for cell, line in zip(cells, self.table.lines, strict=True):
                if not cell:
                    message = f"is empty: every row needs {'a' if name == 'patient' else 'an'} {name}"
                    self.problems.add(message, row=line, column=self.header(name), kind="empty cells")
        return cells

    def files(self, name: str, cells: Sequence[str], must_exist: bool) -> list[str]:
        """Absolute paths of a column of files, relative ones taken from the table's folder."""
        paths = []
        for cell, line in zip(cells, self.table.lines, strict=True):
            path = _locate(cell, self.table.file.parent) if cell else ""
            if path and must_exist and not os.path.exists(path):
                self.problems.add(
                    f"no such file or folder: {path} (paths are absolute or relative to the table's folder)",
                    row=line,
                    column=self.header(name),
                    kind="files that do not exist",
                )
            paths.append(path)
        return paths

    def splits(self, patients: Sequence[str]) -> list[str]:
        """train, val, test or "" by row; unknown words and patients on two sides are problems."""
        words = []
        first: dict[str, tuple[str, int]] = {}
        for cell, patient, line in zip(self.texts("split"), patients, self.table.lines, strict=True):
            word = SPLIT_WORDS.get(folded(cell), "") if cell else ""
            if cell and not word:
                message = f"'{cell}' is no part of a split: expected train, val or test"
                self.problems.add(message, row=line, column=self.header("split"), kind="unknown split")
            if word:
                known, row = first.setdefault(patient, (word, line))
                if known != word:
                    self.problems.add(
                        f"patient '{patient}' is {word} here and {known} in row {row}: "
                        "all images of a patient belong to one side",
                        row=line,
                        column=self.header("split"),
                        kind="patients on two sides",
                    )
            words.append(word)
        return [word or first.get(patient, ("", 0))[0] for word, patient in zip(words, patients, strict=True)]

    def cases(self, patients: Sequence[str], exams: Sequence[str], sequences: Sequence[str]) -> list[str]:
        """The unique name of each image: patient_exam_sequence, of the parts that are there."""
        names, seen = [], dict[str, tuple[int, tuple[str, str, str]]]()
        for parts, line in zip(zip(patients, exams, sequences, strict=True), self.table.lines, strict=True):
            name = _UNSAFE.sub("-", "_".join(part for part in parts if part)) or f"row-{line}"
            if parts[0] and name.casefold() in seen:
                row, other = seen[name.casefold()]
                if other == parts:
                    told = ", ".join(part for part in parts if part)
                    message = f"same patient, exam and sequence ({told}) as row {row}: "
                    message += "remove one of the rows, or tell them apart in a column exam or sequence"
                else:
                    message = f"this image and that of row {row} would both be named '{name}': rename one"
                self.problems.add(message, row=line, kind="duplicate rows")
                name = f"{name}-row-{line}"
            seen.setdefault(name.casefold(), (line, parts))
            names.append(name)
        return names

    def refuse_twice(self, name: str, paths: Sequence[str]) -> None:
        """One file belongs to one row, also when it is reached through a link."""
        seen: dict[str, int] = {}
        folders: dict[str, str] = {}  # few folders hold many files, and resolving one is slow
        for path, line in zip(paths, self.table.lines, strict=True):
            if not path:
                continue
            folder, file = os.path.split(path)
            if folder not in folders:
                folders[folder] = os.path.realpath(folder)
            real = os.path.join(folders[folder], file)
            row = seen.setdefault(os.path.realpath(real) if os.path.islink(real) else real, line)
            if row != line:
                message = f"the same file as in row {row}: {path}"
                self.problems.add(message, row=line, column=self.header(name), kind="same file twice")

    def refuse_two_references(self, patients: Sequence[str], dates: Sequence[str]) -> None:
        """The days of a patient are counted from one date."""
        first: dict[str, tuple[str, int]] = {}
        for patient, date, line in zip(patients, dates, self.table.lines, strict=True):
            known, row = first.setdefault(patient, (date, line)) if date else ("", 0)
            if known != date:
                message = f"patient '{patient}' has {date} here and {known} in row {row}: a patient has one"
                self.problems.add(message, row=line, column=self.header("reference_date"), kind="two reference dates")

    def refuse_alike_patients(self, patients: Sequence[str]) -> None:
        """`P1` and `p1` are hardly two people; on two sides of a split they would be a leak."""
        seen: dict[str, tuple[str, int]] = {}
        told = set()
        for patient, line in zip(patients, self.table.lines, strict=True):
            other, row = seen.setdefault(folded(patient), (patient, line))
            if other != patient and patient not in told:
                told.add(patient)
                message = f"'{patient}' and '{other}' (row {row}) differ only in case or spaces: write one of them"
                self.problems.add(message, row=line, column=self.header("patient"), kind="patients alike")


def _locate(cell: str, folder: Path) -> str:
    path = os.path.abspath(folder / cell)
    if "\\" in cell and not os.path.exists(path):  # tables written on Windows
        return os.path.abspath(folder / cell.replace("\\", "/"))
    return path
