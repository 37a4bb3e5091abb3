"""Pseudonyms of patients (P001, P002, ...) and the private table that alone knows whom they stand for."""

from __future__ import annotations

import csv
import io
import os
import random
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from medcl.study.errors import BadInput
from medcl.study.files import write_text
from medcl.study.problems import Problems
from medcl.study.table import read_table

FOLDER = "private"
KEY_FILE = "key.csv"
COLUMNS = ["pseudonym", "patient"]
_PSEUDONYM = re.compile(r"P(\d+)")
_ONLY_OWNER, _ONLY_OWNER_FOLDER = 0o600, 0o700


@dataclass
class Pseudonyms:
    """The key table of a study.

    Attributes:
        folder: `private` of the study.
        of: pseudonym by patient id.
    """

    folder: Path
    of: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, study: Path) -> Pseudonyms:
        """Those of a study, none when it has no key table yet.

        Raises:
            BadInput: the key table is there but cannot be read.
        """
        folder = study / FOLDER
        file = folder / KEY_FILE
        if not file.exists():
            return cls(folder)
        problems = Problems(file)
        table = read_table(file, problems)
        problems.raise_if_any()
        if table.header != COLUMNS or len({row[0] for row in table.rows}) != len(table.rows):
            raise BadInput(f"{file}: is no key table: expected the columns {', '.join(COLUMNS)}, each pseudonym once.")
        return cls(folder, {patient: pseudonym for pseudonym, patient in table.rows})

    def add(self, patients: Iterable[str]) -> None:
        """Give every new patient a pseudonym, in random order: a number must not tell the rank of a name."""
        new = sorted(set(patients) - set(self.of))
        random.SystemRandom().shuffle(new)
        taken = [int(found[1]) for name in self.of.values() if (found := _PSEUDONYM.fullmatch(name))]
        for number, patient in enumerate(new, max(taken, default=0) + 1):
            self.of[patient] = f"P{number:03d}"

    def write(self) -> Path:
        """Write the key table, readable by its owner alone and ignored by git."""
        rows = sorted((pseudonym, patient) for patient, pseudonym in self.of.items())
        return write_private(self.folder, KEY_FILE, [COLUMNS, *map(list, rows)])


def write_private(folder: Path, name: str, rows: Iterable[list[str]]) -> Path:
    """Write a table that is for its owner alone (mode 0600) into a folder that git ignores.

    Args:
        folder: the study's private folder; it is made.
        name: of the file.
        rows: the header and the rows.
    """
    folder.mkdir(mode=_ONLY_OWNER_FOLDER, parents=True, exist_ok=True)
    os.chmod(folder, _ONLY_OWNER_FOLDER)
    write_text(folder / ".gitignore", "*\n")
    text = io.StringIO()
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
    before = os.umask(0o077)  # from its first byte on
    try:
        write_text(folder / name, text.getvalue())
    finally:
        os.umask(before)
    os.chmod(folder / name, _ONLY_OWNER)
    return folder / name
