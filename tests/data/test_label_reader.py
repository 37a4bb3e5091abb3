"""Label values become class indices; what is no class is refused."""

from __future__ import annotations

import numpy as np
import pytest

from medcl.data.label_reader import LabelReader
from medcl.losses.cross_entropy_dice import UNLABELLED
from medcl.study.errors import BadInput
from tests.data.labelled_study import CLASSES, labelled_study


def read(classes: tuple[int, ...], row: int = 0, **study: object) -> np.ndarray:
    samples = labelled_study(**study)  # type: ignore[arg-type]
    out = np.full(samples.size, 77, np.uint8)
    LabelReader(samples, classes).read(row, out)
    return out


def test_values_become_their_place_in_the_list() -> None:
    assert (read(CLASSES) == np.arange(1, 17)).all()
    assert (read(tuple(reversed(CLASSES[:16]))) == np.arange(16, 0, -1)).all()


def test_background_stays_and_slices_are_their_own() -> None:
    assert (read(CLASSES, 1, slices=True, empty_slices=True) == 0).all()
    assert (read(CLASSES, 2, slices=True, empty_slices=True) == np.arange(1, 17)).all()


def test_an_image_without_a_mask_is_unlabelled() -> None:
    assert (read(CLASSES, 1, masked=["P00_ED"]) == UNLABELLED).all()


def test_values_that_are_no_class_are_refused_with_their_counts() -> None:
    with pytest.raises(BadInput, match=r"P00_ED: its mask holds .* 115 \(48 voxels\), 116 \(48 voxels\)\. Declare"):
        read(CLASSES[:14])


def test_of_many_such_values_the_first_are_told() -> None:
    with pytest.raises(BadInput, match=r"108 \(48 voxels\) and 8 more values\. Declare"):
        read((9999,))


def test_16_bits_are_read() -> None:
    samples = labelled_study()
    values = np.zeros((4, 12, 16), np.uint16)
    values[0, 0, :3] = 300, 65535, 1
    samples.store.labels = lambda entry, number=None: values  # type: ignore[attr-defined]
    out = np.empty(samples.size, np.uint8)
    LabelReader(samples, (1, 300, 65535)).read(0, out)
    assert out[0, 0, :4].tolist() == [2, 3, 1, 0]


@pytest.mark.parametrize("classes", [(0, 1), (3, 3), (70000,)])
def test_impossible_classes_are_refused(classes: tuple[int, ...]) -> None:
    with pytest.raises(BadInput, match="different whole numbers"):
        LabelReader(labelled_study(), classes)


def test_more_classes_than_a_byte_numbers_are_refused() -> None:
    LabelReader(labelled_study(), range(1, 254))
    with pytest.raises(BadInput, match="254 label classes"):
        LabelReader(labelled_study(), range(1, 255))
