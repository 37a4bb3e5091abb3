"""What a segmentation finds in an image, as far as a region of interest needs it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from medcl.imaging.geometry import to_mm
from medcl.imaging.volume import Volume

LEAST_PART = 0.1
"""Share of the largest connected part's voxels that another part needs to count (ours): a second kidney counts, however
shrunken, and a few voxels that were mistaken for one do not."""

Point = tuple[float, float, float]


@dataclass(frozen=True)
class FoundRegion:
    """Where something was found in an image.

    Attributes:
        corners: the 8 outermost voxels of the box around it, RAS mm (x, y, z); none where nothing was found.
        problems: why it could not be looked for, in sentences.
    """

    corners: tuple[Point, ...] = ()
    problems: tuple[str, ...] = ()


def found_region(labels: Volume) -> FoundRegion:
    """The box around what is labelled, all classes together, without its small parts.

    Voxels that share a face, an edge or a corner are connected (26 neighbours), of whatever class they are. Parts of
    less than a tenth of the largest one's voxels are left out.

    Args:
        labels: (Z, Y, X) unsigned integers, 0 background.
    """
    from scipy import ndimage

    marked = labels.voxels != 0
    if not marked.any():
        return FoundRegion()
    window = ndimage.find_objects(marked.view(np.int8))[0]
    parts, _ = ndimage.label(marked[window], np.ones((3, 3, 3), np.bool_))
    sizes = np.bincount(parts.ravel())[1:]
    boxes = [
        box for box, size in zip(ndimage.find_objects(parts), sizes, strict=True) if size >= LEAST_PART * sizes.max()
    ]
    ends = [
        (whole.start + min(box[axis].start for box in boxes), whole.start + max(box[axis].stop for box in boxes) - 1)
        for axis, whole in enumerate(window)
    ]
    corners = to_mm(labels.affine, np.array(list(product(*ends))))
    return FoundRegion(tuple((float(x), float(y), float(z)) for x, y, z in corners))
