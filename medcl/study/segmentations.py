"""`segmentations/NAME/`: predicted masks on the grids of the original images, and what each of them belongs to.

    CASE.nii.gz          label values, with the affine and shape of the image file (`imaging.write_nifti`)
    CASE.dcm             a DICOM SEG beside it, where one was asked for
    segmentations.csv    one line an image (Segmentation)
    segmentations.json   the card: run, classes, options, versions; written last

Paths inside the study are written relative to it, so that a study can be moved; other paths are absolute.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from medcl.study.errors import BadInput
from medcl.study.files import read_json
from medcl.study.folder import Study
from medcl.study.results_table import ResultsTable
from medcl.study.written_paths import base_of, read_path, written_path

SEGMENTATIONS_FORMAT = 1
"""Raised when these folders change so that an older medcl would misread them."""

NEW = "new"
"""The split of images that are not of the study, or whose patients the run's own splits do not name."""

SPLITS = ("train", "val", "test", NEW)


@dataclass(frozen=True)
class Segmentation:
    """One predicted mask.

    Attributes:
        case: unique name.
        patient, exam, sequence: from the cohort, "" where missing.
        split: on which side of the run's split the patient stood: train, val, test or new.
        image: the image's file, or DICOM folder.
        truth: its label map of the cohort; None without one.
        prediction: the predicted label map.
    """

    case: str
    patient: str
    exam: str
    sequence: str
    split: str
    image: Path
    truth: Path | None
    prediction: Path


METRICS_FILE, SUMMARY_FILE, PAGE_FILE = "metrics.csv", "metrics.json", "evaluation.html"
"""What `medcl segment evaluate` writes beside the masks; new masks make them void."""

COLUMNS = tuple(field.name for field in fields(Segmentation))
_PATHS = ("image", "truth", "prediction")
_RESULTS = ResultsTable("segmentations", "segment apply", COLUMNS, SEGMENTATIONS_FORMAT)
TABLE, CARD = _RESULTS.table, _RESULTS.card


def write_segmentations(folder: Path, rows: Iterable[Segmentation], card: Mapping[str, Any]) -> None:
    """Write the table and the card of a folder of masks, the card last.

    Args:
        folder: `segmentations/NAME` of a study, or any other.
        rows: one for each mask.
        card: run, run_path, classes, options; format, medcl's version and the moment are added here.
    """
    base = _base(folder)
    lines = (
        [written_path(getattr(row, name), base) if name in _PATHS else getattr(row, name) for name in COLUMNS]
        for row in rows
    )
    _RESULTS.write(folder, lines, card)


def read_segmentations(folder: Path) -> tuple[list[Segmentation], dict[str, Any]]:
    """The masks of a folder and its card.

    Raises:
        BadInput: it holds none, is unfinished or damaged, or a newer medcl wrote it. Whether the masks are there is not
            looked at.
    """
    folder = Path(folder).absolute()
    lines, card = _RESULTS.read(folder)
    return _rows(lines, folder / TABLE, _base(folder)), card


def newest_segmentations(study: Study) -> Path:
    """The folder of a study's segmentations that was written last.

    Raises:
        BadInput: there is none.
    """
    found: list[tuple[str, str, Path]] = []
    for file in study.segmentations.glob(f"*/{CARD}"):
        card = read_json(file)
        if isinstance(card, dict):
            found.append((str(card.get("written", "")), file.parent.name, file.parent))
    if not found:
        raise BadInput(f"{study.segmentations}: holds no finished segmentations. `medcl segment apply` writes them.")
    return max(found)[2]


def _base(folder: Path) -> Path:
    return base_of(folder, Study(folder).segmentations.name)


def _rows(lines: Iterable[tuple[int, Mapping[str, Any]]], file: Path, base: Path) -> list[Segmentation]:
    rows = []
    for number, row in lines:
        missing = [name for name in COLUMNS if row.get(name) is None]
        if missing or row["split"] not in SPLITS or not (row["case"] and row["image"] and row["prediction"]):
            why = f"no {', '.join(missing)}" if missing else f"split {row['split']!r}, image {row['image']!r}"
            raise BadInput(
                f"{file}: line {number} is no segmentation ({why}); the file was changed: restore it, or run "
                "`medcl segment apply` again."
            )
        texts: dict[str, Any] = {name: row[name] for name in COLUMNS if name not in _PATHS}
        truth = read_path(row["truth"], base) if row["truth"] else None
        rows.append(
            Segmentation(
                **texts, image=read_path(row["image"], base), truth=truth, prediction=read_path(row["prediction"], base)
            )
        )
    return rows
