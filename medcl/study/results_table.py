"""A folder of results with a table, one line an image, and a card that is written last and so means both."""

from __future__ import annotations

import csv
import datetime
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import medcl
from medcl.study.errors import BadInput
from medcl.study.files import read_json, write_json, write_text


@dataclass(frozen=True)
class ResultsTable:
    """What the folders of one command have in common.

    Attributes:
        name: of the results and of both files: segmentations.csv and segmentations.json.
        command: that writes them, such as "segment apply".
        columns: of the table.
        format: raised when these folders change so that an older medcl would misread them.
    """

    name: str
    command: str
    columns: Sequence[str]
    format: int

    @property
    def table(self) -> str:
        """Name of the table's file."""
        return f"{self.name}.csv"

    @property
    def card(self) -> str:
        """Name of the card's file."""
        return f"{self.name}.json"

    def write(self, folder: Path, lines: Iterable[Sequence[str]], card: Mapping[str, Any]) -> None:
        """Write the table and then the card, to which format, medcl's version and the moment are added."""
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows(lines)
        write_text(folder / self.table, text.getvalue())
        written = datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds")
        write_json(folder / self.card, {"format": self.format, **card, "medcl": medcl.__version__, "written": written})

    def read(self, folder: Path) -> tuple[list[tuple[int, dict[str, Any]]], dict[str, Any]]:
        """The lines of the table, each with its number in the file, and the card.

        Raises:
            BadInput: the folder holds none, is unfinished or damaged, or a newer medcl wrote it.
        """
        if not (folder / self.card).is_file():
            raise BadInput(
                f"{folder}: holds no finished {self.name} (no {self.card}). `medcl {self.command}` writes them."
            )
        card = read_json(folder / self.card)
        number = card.get("format") if isinstance(card, dict) else None
        if not isinstance(number, int):
            raise BadInput(
                f"{folder / self.card}: is no card of {self.name} (no format number): run `medcl {self.command}` again."
            )
        if number > self.format:
            raise BadInput(
                f"{folder / self.card}: has format {number}; this medcl reads up to {self.format}. Update medcl."
            )
        return self._lines(folder / self.table), card

    def _lines(self, file: Path) -> list[tuple[int, dict[str, Any]]]:
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(f"{file}: cannot be read ({error}): run `medcl {self.command}` again.") from error
        return list(enumerate(csv.DictReader(io.StringIO(text, newline="")), start=2))
