from __future__ import annotations

import numpy as np
import pytest

from medcl.figures.planes import LONGEST_SIDE, montage

SIDE = LONGEST_SIDE
GAP = 3


def tiles(made: np.ndarray, widths: tuple[int, int, int], heights: tuple[int, int, int]) -> list[np.ndarray]:
    """Axial, coronal and sagittal plane of a montage."""
    lefts = np.cumsum([0, widths[0] + GAP, widths[1] + GAP])
    return [made[:h, left : left + w] for left, w, h in zip(lefts, widths, heights, strict=True)]


def cube(z: slice, y: slice, x: slice, size: int = 8) -> np.ndarray:
    volume = np.zeros((size,) * 3, np.float32)
    volume[z, y, x] = 1
    return volume


ALL, LOW, HIGH = slice(None), slice(0, 4), slice(4, 8)


@pytest.mark.parametrize(
    ("bright", "axial", "coronal", "sagittal"),
    [  # which half is white: (rows, columns) as left/right/top/bottom/all
        (cube(ALL, ALL, HIGH), "left", "left", "all"),  # the patient's right is on the viewer's left
        (cube(ALL, HIGH, ALL), "top", "all", "left"),  # front is up, and on the left of the sagittal plane
        (cube(HIGH, ALL, ALL), "all", "top", "top"),  # head is up
    ],
)
def test_planes_hang_as_radiologists_hang_them(bright: np.ndarray, axial: str, coronal: str, sagittal: str) -> None:
    made = montage(bright, (1, 1, 1), (4, 4, 4), white=1.0)
    halves = {
        "left": (ALL, slice(0, SIDE // 2)),
        "top": (slice(0, SIDE // 2), ALL),
        "all": (ALL, ALL),
    }
    for tile, half in zip(tiles(made, (SIDE,) * 3, (SIDE,) * 3), (axial, coronal, sagittal), strict=True):
        expected = np.zeros((SIDE, SIDE), np.uint8)
        expected[halves[half]] = 255
        assert np.array_equal(tile, expected)


def test_planes_run_through_the_centre_that_is_given() -> None:
    volume = np.zeros((8, 8, 8), np.float32)
    volume[2] = 1
    assert (montage(volume, (1, 1, 1), (2, 4, 4), 1.0)[:, :SIDE] == 255).all()
    assert (montage(volume, (1, 1, 1), (3, 4, 4), 1.0)[:, :SIDE] == 0).all()


def test_all_planes_have_one_scale_in_mm() -> None:
    volume = np.ones((4, 8, 8), np.float32)  # 8, 8 and 16 mm
    made = montage(volume, (2.0, 1.0, 2.0), (2, 4, 4), 1.0)
    half = SIDE // 2
    assert made.shape == (half, SIDE + GAP + SIDE + GAP + half)
    assert all((tile == 255).all() for tile in tiles(made, (SIDE, SIDE, half), (half, half, half)))


def test_pixels_are_means_of_the_voxels_under_them() -> None:
    volume = np.zeros((1, 2 * SIDE, 2 * SIDE), np.float32)
    volume[:, ::2, ::2] = 1  # one of four voxels under each pixel
    tile = montage(volume, (1, 1, 1), (0, 0, 0), 1.0)[:SIDE, :SIDE]
    assert np.unique(tile).tolist() == [round(round(0.25 * 31) * 255 / 31)]


def test_white_is_the_intensity_that_is_given() -> None:
    volume = np.full((4, 4, 4), 0.25, np.float32)
    assert montage(volume, (1, 1, 1), (0, 0, 0), 0.25)[0, 0] == 255
    assert montage(volume, (1, 1, 1), (0, 0, 0), 1.0)[0, 0] < 128


@pytest.mark.parametrize("grey", [0.0, 0.5, 1.0])
def test_the_region_is_outlined_on_every_grey(grey: float) -> None:
    volume = np.full((8, 8, 8), grey, np.float32)
    region = np.zeros((8, 8, 8), bool)
    region[2:6, 2:6, 2:6] = True
    plain, made = (montage(volume, (1, 1, 1), (4, 4, 4), 1.0, drawn) for drawn in (None, region))
    axial = made[:SIDE, :SIDE]
    low, high = SIDE // 4, SIDE * 3 // 4
    assert (axial[low, low:high] == 255).all()
    assert (axial[low - 1, low:high] == 0).all()
    assert np.array_equal(axial[low + 1 : high - 1, low + 1 : high - 1], plain[low + 1 : high - 1, low + 1 : high - 1])
    assert np.array_equal(axial[: low - 1], plain[: low - 1, :SIDE])


def test_a_region_that_fills_the_plane_draws_no_frame() -> None:
    volume = np.full((8, 8, 8), 0.5, np.float32)
    plain, made = (montage(volume, (1, 1, 1), (4, 4, 4), 1.0, drawn) for drawn in (None, np.ones((8, 8, 8), bool)))
    assert np.array_equal(plain, made)
