"""The cohort of an npz: its split, its labels, and the frame that a cohort.csv would give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from medcl.imaging.npz_cohort import npz_cohort
from medcl.imaging.npz_images import NpzImages, open_npz
from medcl.study.cohort import read_cohort
from medcl.study.errors import BadInput
from medcl.study.splits import make_splits

IMAGES = np.random.default_rng(0).integers(0, 256, (16, 5, 4), np.uint8)
LABELS = np.array([10, 2, 10, 0, 2, 0, 2, 10])


def opened(folder: Path, **changes: Any) -> NpzImages:
    content = {
        "train_images": IMAGES[:8],
        "train_labels": LABELS,
        "val_images": IMAGES[8:11],
        "val_labels": LABELS[:3, None],
        "test_images": IMAGES[11:],
        "test_labels": LABELS[3:],
    }
    np.savez(folder / "images.npz", **{k: v for k, v in {**content, **changes}.items() if v is not None})
    return open_npz(folder / "images.npz")


def test_the_frame_is_that_of_a_table(tmp_path: Path) -> None:
    cohort = npz_cohort(opened(tmp_path))
    table = tmp_path / "cohort.csv"
    table.write_text("patient,image,split\nP1,a.nii,train\nP2,b.nii,test\n")
    read = read_cohort(table, need_images=False).frame
    assert list(cohort.frame.columns) == list(read.columns)
    assert cohort.frame.dtypes.astype(str).tolist() == read.dtypes.astype(str).tolist()
    assert len(cohort) == 16
    assert cohort.frame["case"].is_unique
    assert (cohort.frame["patient"] == cohort.frame["case"]).all()
    assert (cohort.frame["image"] == str(tmp_path / "images.npz")).all()
    assert cohort.file == tmp_path / "images.npz"
    assert cohort.exams() == cohort.sequences() == []


@pytest.mark.parametrize("without", [(), ("val",), ("val", "test")])
def test_its_split_is_the_files_own(tmp_path: Path, without: tuple[str, ...]) -> None:
    images = opened(tmp_path, **{f"{part}_{kind}": None for part in without for kind in ("images", "labels")})
    splits = make_splits(npz_cohort(images).frame, seed=3)
    assert splits.of(1) == images.sides
    assert set(images.sides.values()) == {"train", "val", "test"} - set(without)
    assert "the split column of cohort.csv" in splits.notes


def test_labels_are_a_categorical_variable_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    cohort = npz_cohort(opened(tmp_path))
    label = cohort.variable("Label")
    assert (label.name, label.kind, label.unit, label.label) == ("label", "categorical", "", "label")
    assert label.classes == ["0", "2", "10"]
    assert label.values["train-00000"] == "10"
    assert label.values["val-00001"] == "2"
    assert label.values["test-00004"] == "10"
    assert cohort.own == cohort.variables


def test_class_names_keep_the_order_of_the_numbers(tmp_path: Path) -> None:
    label = npz_cohort(opened(tmp_path), ["pneumonia", " normal ", "COVID"]).variable("label")
    assert label.classes == ["pneumonia", "normal", "COVID"]
    assert label.values["train-00000"] == "COVID"
    assert label.values["train-00003"] == "pneumonia"


def test_names_and_order_hold_for_some_of_the_images_too(tmp_path: Path) -> None:
    images = opened(tmp_path).only({"train-00000", "train-00001", "val-00000"})
    label = npz_cohort(images, ["c", "b", "a"]).variable("label")
    assert label.classes == ["b", "a"]
    assert label.values.to_dict() == {"train-00000": "a", "train-00001": "b", "val-00000": "a"}


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["a", "b"], r"2 class names \(a, b\), but the labels are 3 numbers \(0, 2, 10\)"),
        (["a", "b", "c", "d"], "4 class names"),
        (["a", "b", "a"], "distinct"),
        (["a", "b", " "], "not empty"),
    ],
)
def test_class_names_that_do_not_fit_are_refused(tmp_path: Path, names: list[str], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        npz_cohort(opened(tmp_path), names)


def test_parts_without_labels_have_missing_values(tmp_path: Path) -> None:
    cohort = npz_cohort(opened(tmp_path, train_labels=None))
    values = cohort.variable("label").values
    assert values[[f"train-{n:05d}" for n in range(8)]].isna().all()
    assert values.notna().sum() == 8
    assert "images without labels: training" in cohort.notes


def test_without_labels_there_is_no_variable(tmp_path: Path) -> None:
    images = opened(tmp_path, train_labels=None, val_labels=None, test_labels=None)
    cohort = npz_cohort(images)
    assert cohort.variables == {}
    with pytest.raises(BadInput, match="no clinical variable at all"):
        cohort.variable("label")
    with pytest.raises(BadInput, match="the file has no labels"):
        npz_cohort(images, ["a"])


def test_labels_change_nothing_but_their_variable(tmp_path: Path) -> None:
    first = npz_cohort(opened(tmp_path))
    other = npz_cohort(opened(tmp_path, train_labels=LABELS[::-1]))
    pd.testing.assert_frame_equal(first.frame, other.frame)
    assert first.variable("label").values.tolist() != other.variable("label").values.tolist()
