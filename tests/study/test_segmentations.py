"""The table of predicted masks: what is written is read, and what is damaged is refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import medcl
from medcl.study.errors import BadInput
from medcl.study.folder import Study
from medcl.study.segmentations import (
    CARD,
    TABLE,
    Segmentation,
    newest_segmentations,
    read_segmentations,
    write_segmentations,
)


def row(study: Study, folder: Path, case: str = "P1_M3", **changes: object) -> Segmentation:
    made = Segmentation(
        case=case,
        patient="P1",
        exam="M3",
        sequence="",
        split="test",
        image=study.root / "images" / f"{case}, first.nii.gz",
        truth=None,
        prediction=folder / f"{case}.nii.gz",
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    study = Study(tmp_path)
    folder = study.segmentations / "ideal"
    rows = [
        row(study, folder),
        row(study, folder, "P2", split="new", truth=study.root / "masks" / "P2.nii"),
        row(study, folder, "P3", split="val", image=Path("/elsewhere/P3")),
    ]
    write_segmentations(folder, rows, {"run": "ideal", "classes": [{"value": 1, "name": "rv", "colour": "#112233"}]})
    read, card = read_segmentations(folder)
    assert read == rows
    assert (card["run"], card["medcl"]) == ("ideal", medcl.__version__)
    assert card["classes"][0]["name"] == "rv"


def test_paths_inside_the_study_move_with_it(tmp_path: Path) -> None:
    study = Study(tmp_path / "one")
    folder = study.segmentations / "ideal"
    write_segmentations(folder, [row(study, folder, image=study.root / "a.nii", truth=Path("/data/t.nii"))], {})
    assert str(tmp_path) not in (folder / TABLE).read_text()
    shutil.move(study.root, tmp_path / "two")
    (moved,), _ = read_segmentations(tmp_path / "two" / "segmentations" / "ideal")
    assert moved.image == tmp_path / "two" / "a.nii"
    assert moved.truth == Path("/data/t.nii")
    assert moved.prediction == tmp_path / "two" / "segmentations" / "ideal" / "P1_M3.nii.gz"


def test_a_folder_outside_of_a_study_holds_its_own_paths(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    write_segmentations(folder, [row(Study(tmp_path), folder)], {})
    assert (folder / TABLE).read_text().splitlines()[1].endswith(",P1_M3.nii.gz")
    (read,), _ = read_segmentations(folder)
    assert read.prediction == folder / "P1_M3.nii.gz"
    assert read.image == tmp_path / "images" / "P1_M3, first.nii.gz"


def test_the_newest_is_the_one_written_last(tmp_path: Path) -> None:
    study = Study(tmp_path)
    with pytest.raises(BadInput, match="medcl segment apply"):
        newest_segmentations(study)
    for name in ("b", "c", "a"):
        write_segmentations(study.segmentations / name, [], {})
    (study.segmentations / "unfinished").mkdir()
    assert newest_segmentations(study) == study.segmentations / "a"


def test_what_is_no_folder_of_segmentations_is_refused(tmp_path: Path) -> None:
    study = Study(tmp_path)
    folder = study.segmentations / "ideal"
    with pytest.raises(BadInput, match="no finished segmentations"):
        read_segmentations(folder)
    write_segmentations(folder, [row(study, folder)], {})
    table = (folder / TABLE).read_text()
    (folder / TABLE).write_text(table.replace("test", "tset"))
    with pytest.raises(BadInput, match="tset"):
        read_segmentations(folder)
    (folder / TABLE).write_text(table.replace("prediction", "mask"))
    with pytest.raises(BadInput, match="no prediction"):
        read_segmentations(folder)
    (folder / TABLE).unlink()
    with pytest.raises(BadInput, match="cannot be read"):
        read_segmentations(folder)
    (folder / CARD).write_text(json.dumps({"format": 99}))
    with pytest.raises(BadInput, match="Update medcl"):
        read_segmentations(folder)
