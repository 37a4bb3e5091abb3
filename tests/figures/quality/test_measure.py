from __future__ import annotations

import numpy as np
import pytest

from medcl.figures.quality.measure import BINS, measure
from medcl.figures.quality.statistics import STATISTICS
from tests.figures.quality.quality_cases import SHAPE, entry, voxels


def test_an_image_has_all_numbers_a_histogram_and_a_picture() -> None:
    volume = voxels(0)
    found = measure(volume, None, entry())
    assert list(found.values) == list(STATISTICS)
    assert sum(found.histogram) == volume.size  # all voxels are above 0
    assert len(found.histogram) == BINS
    assert found.picture.uri.startswith("data:image/png;base64,")
    assert found.labelled is None


def test_histogram_bins_run_from_0_to_1() -> None:
    volume = np.zeros(SHAPE, np.float32)
    volume[:, :, :5] = 0.99
    volume[:, :, 5] = 0.001
    histogram = measure(volume, None, entry()).histogram
    assert (histogram[0], histogram[-1]) == (SHAPE[0] * SHAPE[1], 5 * SHAPE[0] * SHAPE[1])
    assert not any(histogram[1:-1])


def test_labels_are_outlined_and_their_box_is_told() -> None:
    labels = np.zeros(SHAPE, np.uint8)
    labels[1:4, 2:5, 3:7] = 2
    plain, drawn = measure(voxels(0), None, entry()), measure(voxels(0), labels, entry())
    assert drawn.labelled == ((1, 3), (2, 4), (3, 6))
    assert drawn.picture.uri != plain.picture.uri
    assert drawn.values == plain.values


def test_planes_run_through_the_labels() -> None:
    volume = np.full(SHAPE, 0.1, np.float32)
    volume[0] = 0.9  # seen in the axial plane through the label alone
    labels = np.zeros(SHAPE, np.uint8)
    labels[0, 2, 3] = 1
    moved = labels[::-1].copy()
    assert measure(volume, labels, entry()).picture.uri != measure(volume, moved, entry()).picture.uri


def test_the_filled_box_is_outlined_where_asked() -> None:
    volume = np.zeros(SHAPE, np.float32)
    volume[1:5, 2:6, 2:8] = 0.5
    plain, boxed = (measure(volume, None, entry(), show_box=show) for show in (False, True))
    assert plain.picture.uri != boxed.picture.uri


def test_an_empty_volume_is_shown_and_has_no_numbers() -> None:
    found = measure(np.zeros(SHAPE, np.float32), None, entry())
    assert all(np.isnan(value) for value in found.values.values())
    assert not any(found.histogram)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 5, 40), (40, 1, 2)])
def test_thin_volumes_can_be_shown(shape: tuple[int, int, int]) -> None:
    found = measure(np.full(shape, 0.5, np.float32), None, entry(shape=shape))
    assert found.values["mean"] == pytest.approx(0.5)
