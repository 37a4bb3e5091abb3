"""Regions of interest: which part of an image is kept.

A region is a function of what is known about one image; it answers with a box of voxels and the point that is to lie
in the middle of the stored volume. New ones join by a line in REGIONS.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from medcl.imaging.found_region import FoundRegion
from medcl.imaging.geometry import Triple, to_index, to_mm
from medcl.imaging.recipe import Recipe
from medcl.imaging.volume import Volume
from medcl.study.errors import BadInput

MASK_MARGIN_MM = 10.0
"""Kept around what is labelled, enhances or is found unless --margin is given (ours: some tissue beside an organ)."""

_INSIDE_TOLERANCE = 1e-6


@dataclass(frozen=True, eq=False)
class Known:
    """What a region may look at.

    Attributes:
        image: canonical RAS+, or with the axis of its slices first.
        labels: label map on the image's grid, None where the cohort names none.
        centre: (x, y, z) in RAS mm from the cohort's columns centre_x, centre_y, centre_z; None where empty.
        recipe: margin, size and spacing.
        enhancing: mask of the part that enhances in the image's exam, on a grid of its own; None unless asked for.
        found: what a segmentation run finds in the image; None unless asked for.
    """

    image: Volume
    labels: Volume | None
    centre: tuple[float, float, float] | None
    recipe: Recipe
    enhancing: Volume | None = None
    found: FoundRegion | None = None


@dataclass(frozen=True, eq=False)
class Region:
    """A box on the image's grid.

    Attributes:
        low, high: first voxel and the one after the last, (z, y, x), inside the image.
        focus: RAS mm (x, y, z) of the middle of the region, where the image ends before it included.
    """

    low: Triple
    high: Triple
    focus: NDArray[np.float64]


def whole_image(known: Known) -> Region:
    """All of it."""
    shape = np.array(known.image.shape)
    return _region(known.image, np.zeros(3), shape - 1)


def around_mask(known: Known) -> Region:
    """The box around all voxels whose label is not 0, and --margin mm on every side (10 unless told).

    Raises:
        BadInput: there is no mask, or it is empty.
    """
    if known.labels is None:
        raise BadInput("has no mask: --roi mask needs one in the cohort's column mask")
    marked = known.labels.voxels != 0
    if not marked.any():
        raise BadInput("its mask is empty (no voxel differs from 0), so --roi mask finds no region")
    low, high = _ends(marked)
    reach = _margin(known.recipe) / np.array(known.image.spacing)
    return _region(known.image, low - reach, high + reach)


def around_enhancement(known: Known) -> Region:
    """The box around the part that enhances between the phases of the exam, and --margin mm (10 unless told).

    An image on another grid than the phases is cut at the same place in the patient.

    Raises:
        BadInput: the part lies outside of this image.
    """
    image, part = known.image, known.enhancing
    if part is None:
        raise BadInput("--roi enhancement needs the other images of its exam: prepare them together")
    corners = np.array(list(product(*zip(*_ends(part.voxels), strict=True))))
    low, high = _between(image, to_mm(part.affine, corners))
    if (high < 0).any() or (low > np.array(image.shape) - 1).any():
        raise BadInput("what enhances in its exam lies outside of this image: leave the image out, or use --roi whole")
    reach = _margin(known.recipe) / np.array(image.spacing)
    return _region(image, low - reach, high + reach)


def around_found(known: Known) -> Region:
    """The box around what a segmentation run finds, and --margin mm (10 unless told).

    Raises:
        BadInput: it finds nothing.
    """
    image, found, roi = known.image, known.found, known.recipe.roi
    if found is None:
        raise BadInput(f"--roi {roi} needs what that run finds in the image: let `medcl preprocess` look for it")
    if not found.corners:
        raise BadInput(f"the run finds nothing in it (every voxel is background), so --roi {roi} finds no region")
    low, high = _between(image, np.array(found.corners))
    reach = _margin(known.recipe) / np.array(image.spacing)
    return _region(image, low - reach, high + reach)


def around_centre(known: Known) -> Region:
    """A box around the point in the columns centre_x, centre_y, centre_z (RAS mm).

    It reaches --margin mm from the point to every side; without a margin it is what --size voxels (of --spacing) hold,
    in each of all slices where these are what is stored.

    Raises:
        BadInput: the point is missing or outside the image.
    """
    if known.centre is None:
        raise BadInput("has no centre: --roi centre needs centre_x, centre_y and centre_z (RAS mm) in its row")
    image, recipe = known.image, known.recipe
    point = to_index(image.affine, known.centre)
    last = np.array(image.shape) - 1
    if (point < -0.5 - _INSIDE_TOLERANCE).any() or (point > last + 0.5 + _INSIDE_TOLERANCE).any():
        raise BadInput(_outside(image, known.centre))
    spacing = np.array(image.spacing)
    if recipe.margin is not None:
        reach = recipe.margin / spacing
    else:
        stored = recipe.spacing_for(image.spacing) or image.spacing
        reach = (np.array(recipe.size) - 1) / 2 * np.array(stored) / spacing
        if recipe.slices is not None:
            reach[0] = image.shape[0]
    return _region(image, point - reach, point + reach)


REGIONS: dict[str, Callable[[Known], Region]] = {
    "whole": whole_image,
    "mask": around_mask,
    "centre": around_centre,
    "enhancement": around_enhancement,
    "run": around_found,
}
"""The regions by the word of --roi, which goes on with a colon and the run's name for `run`."""


def _ends(marked: NDArray[np.bool_]) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
    """First and last marked voxel, (z, y, x)."""
    ends = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        ends.append(np.flatnonzero(marked.any(axis=others))[[0, -1]])
    low, high = np.array(ends).T
    return low, high


def _between(image: Volume, points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Least and greatest voxel position (z, y, x) of points (N, 3), RAS mm."""
    places = np.array([to_index(image.affine, point) for point in points])
    return places.min(axis=0), places.max(axis=0)


def _margin(recipe: Recipe) -> float:
    return MASK_MARGIN_MM if recipe.margin is None else recipe.margin


def _region(image: Volume, first: NDArray[np.float64], last: NDArray[np.float64]) -> Region:
    """Every voxel between two voxel positions (z, y, x), rounded outwards and cut at the image's border."""
    shape = np.array(image.shape)
    low = np.clip(np.floor(first + _INSIDE_TOLERANCE), 0, shape - 1).astype(int)
    high = np.clip(np.ceil(last - _INSIDE_TOLERANCE) + 1, low + 1, shape).astype(int)
    return Region(_triple(low), _triple(high), to_mm(image.affine, (first + last) / 2))


def _triple(values: NDArray[np.int_]) -> Triple:
    z, y, x = (int(n) for n in values)
    return z, y, x


def _outside(image: Volume, centre: tuple[float, float, float]) -> str:
    last = np.array(image.shape) - 1
    corners = np.array([[z, y, x] for z in (0, last[0]) for y in (0, last[1]) for x in (0, last[2])])
    places = to_mm(image.affine, corners)
    ranges = ", ".join(
        f"{axis} {low:.1f} to {high:.1f}"
        for axis, low, high in zip("xyz", places.min(axis=0), places.max(axis=0), strict=True)
    )
    point = ", ".join(f"{mm:g}" for mm in centre)
    return f"its centre ({point}) lies outside the image, which spans {ranges} mm (RAS): correct centre_x, _y, _z"
