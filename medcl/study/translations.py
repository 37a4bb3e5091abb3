"""`translations/NAME/`: translated images on the grids of their sources, and what is known of each.

    CASE.nii.gz        float32, with the affine and shape of the source's file (`imaging.write_nifti`)
    translations.csv   one line an image (TranslatedFile)
    translations.json  the card: run, recipes of source and target, unit, options, versions; written last

Paths inside the study are written relative to it, so that a study can be moved; other paths are absolute.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from medcl.study.errors import BadInput
from medcl.study.results_table import ResultsTable
from medcl.study.written_paths import base_of, read_path, written_path

TRANSLATIONS_FORMAT = 1
"""Raised when these folders change so that an older medcl would misread them."""

FOLDER = "translations"
"""Of a study, with one folder for each call of `medcl translate apply`."""


@dataclass(frozen=True)
class TranslatedFile:
    """One translation.

    Attributes:
        case: unique name.
        patient, exam, sequence: from the cohort, "" where missing.
        split: on which side of the run's split the patient stood: train, val, test or new.
        image: the source's file, or DICOM folder.
        translation: the file that was written.
        unit: of its voxels: "HU", or "0..1" where the target's intensities have none.
        mutual_information: of source and translation, in bits (`evaluation.hallucination`).
        chance: the same between slices that do not belong together; None of a single slice.
        slice_steps: of neighbouring slices beside the source's (`evaluation.slice_steps`); None of a single slice.
    """

    case: str
    patient: str
    exam: str
    sequence: str
    split: str
    image: Path
    translation: Path
    unit: str
    mutual_information: float
    chance: float | None
    slice_steps: float | None


COLUMNS = tuple(field.name for field in fields(TranslatedFile))
_PATHS = ("image", "translation")
_NUMBERS = ("mutual_information", "chance", "slice_steps")
_RESULTS = ResultsTable(FOLDER, "translate apply", COLUMNS, TRANSLATIONS_FORMAT)
TABLE, CARD = _RESULTS.table, _RESULTS.card


def write_translations(folder: Path, rows: Iterable[TranslatedFile], card: Mapping[str, Any]) -> None:
    """Write the table and the card of a folder of translations, the card last.

    Args:
        folder: `translations/NAME` of a study, or any other.
        rows: one for each image.
        card: run, recipes, unit, options; format, medcl's version and the moment are added here.
    """
    base = base_of(folder, FOLDER)
    _RESULTS.write(folder, ([_cell(name, getattr(row, name), base) for name in COLUMNS] for row in rows), card)


def read_translations(folder: Path) -> tuple[list[TranslatedFile], dict[str, Any]]:
    """The translations of a folder and its card.

    Raises:
        BadInput: it holds none, is unfinished or damaged, or a newer medcl wrote it. Whether the files are there is not
            looked at.
    """
    folder = Path(folder).absolute()
    lines, card = _RESULTS.read(folder)
    return _rows(lines, folder / TABLE, base_of(folder, FOLDER)), card


def _cell(name: str, value: Any, base: Path) -> str:
    if name in _PATHS:
        return written_path(value, base)
    if name in _NUMBERS:
        return "" if value is None else f"{value:.6g}"
    return str(value)


def _rows(lines: Iterable[tuple[int, Mapping[str, Any]]], file: Path, base: Path) -> list[TranslatedFile]:
    rows = []
    for number, row in lines:
        try:
            rows.append(TranslatedFile(**{name: _value(name, row[name], base) for name in COLUMNS}))
        except (KeyError, TypeError, ValueError) as error:
            raise BadInput(
                f"{file}: line {number} is no translation ({error}); the file was changed: restore it, or run "
                "`medcl translate apply` again."
            ) from error
    return rows


def _value(name: str, cell: str, base: Path) -> Any:
    if name in _PATHS:
        return read_path(cell, base)
    if name in _NUMBERS:
        return float(cell) if cell or name == "mutual_information" else None
    return cell
