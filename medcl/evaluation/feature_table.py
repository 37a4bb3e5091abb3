"""The table of features that `medcl embed` writes: one row an image, exact float32 numbers, and a card beside it.

features/NAME.csv holds patient, exam, sequence, split, for a run with folds also fold, clinical columns when they were
asked for, then f0 ... f(d-1). features/NAME.json is its card: run, variable, layer, counts, and the SHA-256 of the
table, so that a card is never believed beside another table.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from medcl.study.errors import BadInput
from medcl.study.files import read_json, write_json

CARD_FORMAT = 1
"""Raised when older versions cannot read the card."""

IDENTITY = ("patient", "exam", "sequence", "split")
FOLD = "fold"
_FEATURE = re.compile(r"f(\d+)")

Floats = npt.NDArray[np.float32]
Words = npt.NDArray[np.str_]


@dataclass(frozen=True)
class FeatureTable:
    """N rows of features with whose they are.

    Attributes:
        file: where they were read.
        patients, exams, sequences, splits: (N,); "" where a table does not tell.
        folds: (N,) numbers of the folds, all 1 for a run without folds.
        features: (N, F).
        card: what is known of their making; {} when there is no card of this very table.
        notes: what a reader should know, in sentences.
    """

    file: Path
    patients: Words
    exams: Words
    sequences: Words
    splits: Words
    folds: npt.NDArray[np.int64]
    features: Floats
    card: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.patients)

    def only(self, rows: npt.NDArray[Any]) -> FeatureTable:
        """The chosen rows (a mask or places)."""
        columns = ("patients", "exams", "sequences", "splits", "folds", "features")
        return replace(self, **{name: getattr(self, name)[rows] for name in columns})


class FeatureWriter:
    """Writes rows as they come, so that memory does not grow with their number.

    Args:
        file: open for writing text.
        features: F.
        clinical: names of clinical columns.
        folds: whether there is a column for the fold.
    """

    def __init__(self, file: IO[str], features: int, clinical: Sequence[str] = (), folds: bool = False) -> None:
        self._csv = csv.writer(file, lineterminator="\n")
        head = [*IDENTITY, *([FOLD] if folds else []), *clinical]
        self._csv.writerow([*head, *(f"f{place}" for place in range(features))])

    def add(self, identities: Iterable[Sequence[str]], features: Floats) -> None:
        """Add rows: the texts before the features, and the features (N, F)."""
        # numpy writes the shortest text that reads back as the same float32
        for identity, numbers in zip(identities, features.astype(np.float32).astype("U"), strict=True):
            self._csv.writerow([*identity, *numbers.tolist()])


def refuse_clashing(names: Iterable[str]) -> None:
    """Refuse clinical columns that would be taken for another column of the table.

    Raises:
        BadInput: names them all.
    """
    clashing = [name for name in names if name in (*IDENTITY, FOLD) or _FEATURE.fullmatch(name)]
    if clashing:
        raise BadInput(
            f"--variables: the columns {', '.join(clashing)} of cohort.csv have the name of a column of the feature "
            "table (patient, exam, sequence, split, fold, f0, f1, ...): rename them in cohort.csv."
        )


def write_card(table: Path, card: Mapping[str, Any]) -> None:
    """Write the card beside a finished table."""
    write_json(card_file(table), {"format": CARD_FORMAT, "kind": "features", **card, "table_sha256": _digest(table)})


def card_file(table: Path) -> Path:
    """Where the card of a table stands."""
    return table.with_suffix(".json")


def read_feature_table(path: Path) -> FeatureTable:
    """Read a table of features, medcl's own or any CSV with patient and f0, f1, ...

    Raises:
        BadInput: it is missing, empty or no such table; a feature that is no number is told with row and column.
    """
    head, cells = _read_rows(path)
    places = {name: place for place, name in enumerate(head)}
    columns = sorted((int(found[1]), place) for name, place in places.items() if (found := _FEATURE.fullmatch(name)))
    if "patient" not in places or [number for number, _ in columns] != list(range(max(len(columns), 1))):
        raise BadInput(
            f"{path} is no table of features: it needs the columns patient and f0, f1, ... without a gap, and has "
            f"{', '.join(head[:8])}{', ...' if len(head) > 8 else ''}. `medcl embed` writes one."
        )

    def words(name: str) -> Words:
        return np.array([row[places[name]] for row in cells] if name in places else [""] * len(cells), dtype=np.str_)

    card, notes = _read_card(path)
    return FeatureTable(
        file=path,
        patients=words("patient"),
        exams=words("exam"),
        sequences=words("sequence"),
        splits=words("split"),
        folds=_folds(path, words(FOLD) if FOLD in places else None, len(cells)),
        features=_numbers(path, cells, [place for _, place in columns]),
        card=card,
        notes=notes,
    )


def _read_rows(path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: cannot be read as a table of features ({error}).") from error
    rows = [row for row in csv.reader(io.StringIO(text)) if row]
    if len(rows) < 2:
        raise BadInput(f"{path}: the table has no rows. Run `medcl embed` again.")
    head = [name.strip() for name in rows[0]]
    short = [number for number, row in enumerate(rows, start=1) if len(row) != len(head)]
    if short:
        raise BadInput(
            f"{path}: row {short[0]} has {len(rows[short[0] - 1])} cells, the header has {len(head)} "
            f"({len(short)} such rows): the file is torn or was edited. Run `medcl embed --overwrite` again."
        )
    return head, rows[1:]


def _numbers(path: Path, cells: list[list[str]], places: list[int]) -> Floats:
    first, last = places[0], places[-1] + 1
    straight = places == list(range(first, last))
    try:
        return np.array([row[first:last] if straight else [row[p] for p in places] for row in cells], dtype=np.float32)
    except ValueError:
        for number, row in enumerate(cells, start=2):
            for column, place in enumerate(places):
                if not _is_number(row[place]):
                    raise BadInput(f"{path}, row {number}, column f{column}: '{row[place]}' is no number.") from None
        raise


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _folds(path: Path, words: Words | None, rows: int) -> npt.NDArray[np.int64]:
    if words is None:
        return np.ones(rows, dtype=np.int64)
    wrong = [place for place, word in enumerate(words) if not word.isdecimal()]
    if wrong:
        raise BadInput(f"{path}, row {wrong[0] + 2}, column fold: '{words[wrong[0]]}' is no number of a fold.")
    return words.astype(np.int64)


def _read_card(table: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    file = card_file(table)
    if not file.is_file():
        return {}, (f"There is no card {file.name} beside {table.name}: which run made the features is not known.",)
    card = read_json(file)
    if not isinstance(card, dict) or not isinstance(card.get("format"), int):
        raise BadInput(f"{file} is not the card of a table of features; delete it or run `medcl embed` again.")
    if card["format"] > CARD_FORMAT:
        raise BadInput(f"{file} has format {card['format']}; this medcl reads up to {CARD_FORMAT}. Update medcl.")
    if card.get("table_sha256") != _digest(table):
        return {}, (f"{table.name} is not the table that its card describes: which run made it is not known.",)
    return card, ()


def _digest(table: Path) -> str:
    with table.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
