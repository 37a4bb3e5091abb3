"""The planes of one case: through the largest disagreement, cut to what is labelled, with outlines of both masks.

Hung as radiologists do: the patient's right on the left of the axial and the coronal plane, front on the left of the
sagittal one, head and front up. Volumes are RAS+.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medcl.figures.planes import BRIGHTEST, GREYS, PLANES
from medcl.figures.png import Picture, picture
from medcl.figures.segmentation.outline import outline
from medcl.imaging.geometry import Triple

AROUND_SHARE, AROUND_MM = 0.2, 10.0
"""What is shown around the labelled box: a share of its longest side, and no less than so many mm."""

MOST_PIXELS = 160
"""Of a picture's side; wider planes are averaged down. Outlines keep every voxel."""

MARK_SHARE = 0.035
"""Of the plane's longer side: how far a class's edge must be for its number to stand within it."""

_WHITE = 255
_NARROWEST = 1e-12


@dataclass(frozen=True)
class Shape:
    """One class in one plane of one mask.

    Attributes:
        path: its outline as an SVG path in voxels, "" where it is not in the plane.
        mark: (x, y) in voxels, where its number can stand; None where it is too thin.
    """

    path: str
    mark: tuple[float, float] | None


@dataclass(frozen=True)
class View:
    """One plane.

    Attributes:
        plane: axial, coronal or sagittal, or its name in the stack.
        place, of: the slice, from 1, and how many there are (from the feet, from the back, from the left).
        picture: the image; None where there is none.
        rows, columns: voxels shown.
        high, wide: the same in mm.
        truth, prediction: one for each class.
    """

    plane: str
    place: int
    of: int
    picture: Picture | None
    rows: int
    columns: int
    high: float
    wide: float
    truth: tuple[Shape, ...]
    prediction: tuple[Shape, ...]


def views(
    image: NDArray[np.float32] | None,
    truth: NDArray[Any],
    prediction: NDArray[Any],
    classes: Sequence[int],
    spacing: Sequence[float],
    names: Sequence[str] = PLANES,
) -> tuple[View, ...]:
    """The three planes of a volume, or the one of a 2D image.

    Args:
        image: (Z, Y, X); None where it cannot be shown.
        truth, prediction: (Z, Y, X) label values.
        classes: values that are drawn.
        spacing: mm along z, y, x.
        names: of the planes across z, y, x.
    """
    true, found = (np.where(np.isin(mask, classes), mask, 0) for mask in (truth, prediction))
    centre = place_of_disagreement(true, found)
    box = _shown_box((true != 0) | (found != 0), spacing)
    flat = [axis for axis, length in enumerate(true.shape) if length == 1]
    white = _white(image)
    made = []
    for axis in [flat[0]] if len(flat) == 1 else range(3):
        cut = _cut(box, axis, centre[axis])
        planes = [np.asarray(mask[cut])[::-1, ::-1] for mask in (true, found)]
        down, across = (spacing[other] for other in range(3) if other != axis)
        rows, columns = planes[0].shape
        made.append(
            View(
                names[axis],
                centre[axis] + 1,
                true.shape[axis],
                None if image is None else _picture(np.asarray(image[cut])[::-1, ::-1], white),
                rows,
                columns,
                rows * down,
                columns * across,
                *(tuple(_shape(plane == value, down, across) for value in classes) for plane in planes),
            )
        )
    return tuple(made)


def _cut(box: Sequence[slice], axis: int, place: int) -> tuple[slice | int, ...]:
    """What takes the plane out of a volume: the box, and along the axis one place."""
    return (*box[:axis], place, *box[axis + 1 :])


def place_of_disagreement(truth: NDArray[Any], prediction: NDArray[Any]) -> Triple:
    """The voxel (z, y, x) in whose three planes most voxels differ; where none does, in which most are labelled."""
    wrong = truth != prediction
    if not wrong.any():
        wrong = truth != 0
    counts = (wrong.sum(axis=tuple({0, 1, 2} - {axis})) for axis in range(3))
    z, y, x = (_middle_of_most(count) for count in counts)
    return z, y, x


def _middle_of_most(counts: NDArray[np.int64]) -> int:
    """Of the places with the greatest count, the one in the middle."""
    places = np.flatnonzero(counts == counts.max())
    return int(places[len(places) // 2])


def _shown_box(labelled: NDArray[np.bool_], spacing: Sequence[float]) -> tuple[slice, ...]:
    """The labelled box with what lies around it; the whole image where nothing is labelled."""
    if not labelled.any():
        return tuple(slice(0, length) for length in labelled.shape)
    spans = [np.flatnonzero(labelled.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    longest = max((span[-1] + 1 - span[0]) * mm for span, mm in zip(spans, spacing, strict=True))
    around = max(AROUND_SHARE * longest, AROUND_MM)
    box = []
    for span, mm, length in zip(spans, spacing, labelled.shape, strict=True):
        more = int(np.ceil(around / mm))
        box.append(slice(max(0, int(span[0]) - more), min(length, int(span[-1]) + 1 + more)))
    return tuple(box)


def _white(image: NDArray[np.float32] | None) -> tuple[float, float]:
    """The intensities drawn black and white."""
    if image is None:
        return 0.0, 1.0
    low, high = np.quantile(image, [1 - BRIGHTEST, BRIGHTEST])
    return float(low), float(high)


def _picture(plane: NDArray[np.float32], limits: tuple[float, float]) -> Picture:
    low, high = limits
    for axis in (0, 1):
        plane = _averaged(plane, axis)
    shares = np.clip((plane - low) / max(high - low, _NARROWEST), 0, 1)
    levels = np.rint(shares * (GREYS - 1)) * (_WHITE / (GREYS - 1))
    return picture(np.rint(levels).astype(np.uint8))


def _averaged(plane: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """At most MOST_PIXELS along an axis, each the mean of as many neighbours as its turn has."""
    length = plane.shape[axis]
    pixels = -(-length // -(-length // MOST_PIXELS))
    edges = np.linspace(0, length, pixels + 1).round().astype(int)
    widths = np.diff(edges).astype(np.float32)
    sums = np.add.reduceat(plane, edges[:-1], axis)
    means: NDArray[np.float32] = (sums / np.expand_dims(widths, 1 - axis)).astype(np.float32)
    return means


def _shape(mask: NDArray[np.bool_], down: float, across: float) -> Shape:
    from scipy.ndimage import distance_transform_edt

    path = outline(mask)
    if not path:
        return Shape("", None)
    depth = distance_transform_edt(np.pad(mask, 1), sampling=(down, across))[1:-1, 1:-1]
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    room = MARK_SHARE * max(mask.shape[0] * down, mask.shape[1] * across)
    return Shape(path, (float(column) + 0.5, float(row) + 0.5) if depth[row, column] > room else None)
