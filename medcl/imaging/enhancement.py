"""Where contrast agent arrives: the largest connected part of the body that changes between the phases of an exam,
without the vessels that lead to it.

Ours. The threshold is that of N. Otsu, A threshold selection method from gray-level histograms, IEEE Transactions on
Systems, Man, and Cybernetics 9(1), 1979.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medcl.imaging.geometry import same_grid
from medcl.imaging.volume import Volume
from medcl.study.errors import BadInput

SMOOTHING_MM = 2.0
"""Standard deviation of the Gaussian that keeps noise from looking like enhancement."""

VESSEL_RADIUS_MM = 7.0
"""What is nowhere thicker than twice this (iliac arteries and veins, ureters) hangs on to an organ, but is none."""

LEAST_GAIN = 0.15
"""Mean change of the part, as a share of the phases' intensities (1st to 99th percentile), below which nothing
enhances: a perfused kidney reaches half and more."""

_BINS = 256
_BRIGHTEST = 99.9  # percentile; brighter voxels (inflow in vessels) count as this bright
_RANGE = (1.0, 99.0)


def enhancing_part(images: Sequence[Volume]) -> Volume:
    """The largest connected part that enhances, as a mask on the grid that most images of the exam share.

    Each voxel's change is its greatest minus its least value over the smoothed phases; the order of the phases does
    not matter. Images on other grids take no part in it.

    Args:
        images: of one exam, canonical, each (Z, Y, X).

    Returns:
        Mask, bool (Z, Y, X).

    Raises:
        BadInput: no two images share a grid, or nothing enhances.
    """
    phases = _phases(images)
    if len(phases) < 2:
        raise BadInput(
            "--roi enhancement compares the phases of an exam, but no two of its "
            f"{len(images)} images are on one grid: give each phase a row with the same patient and exam"
        )
    widths = [SMOOTHING_MM / mm for mm in phases[0].spacing]
    highest = ndimage.gaussian_filter(phases[0].voxels, widths, mode="nearest")
    lowest = highest.copy()
    for phase in phases[1:]:
        smooth = ndimage.gaussian_filter(phase.voxels, widths, mode="nearest")
        np.maximum(highest, smooth, out=highest)
        np.minimum(lowest, smooth, out=lowest)
    ends = np.array([np.percentile(phase.voxels, _RANGE) for phase in phases])
    bottom, top = ends[:, 0].min(), ends[:, 1].max()
    change = np.subtract(highest, lowest, out=highest)
    part = _organ(change > _threshold(change), phases[0].spacing)
    gain = float(change[part].mean()) if part.any() else 0.0
    if not gain >= LEAST_GAIN * (top - bottom) > 0:
        raise BadInput(
            f"--roi enhancement finds nothing that enhances between its {len(phases)} phases: intensities change by "
            f"{gain:.3g} where they change most, of a range of {top - bottom:.3g}. Is the image before contrast "
            "agent there? Else use --roi mask or --roi centre"
        )
    return Volume(part, phases[0].affine)


def _phases(images: Sequence[Volume]) -> list[Volume]:
    """The images of the grid that most share; of the first such grid when several do."""
    grids: list[list[Volume]] = []
    for image in images:
        for grid in grids:
            if same_grid(grid[0].shape, grid[0].affine, image.shape, image.affine):
                grid.append(image)
                break
        else:
            grids.append([image])
    return max(grids, key=len)


def _threshold(change: NDArray[np.float32]) -> float:
    """Otsu's: the one that sets the two classes' means furthest apart, weighted by their sizes."""
    counts, edges = np.histogram(np.minimum(change, np.percentile(change, _BRIGHTEST)), _BINS)
    middles = (edges[:-1] + edges[1:]) / 2
    below, total = np.cumsum(counts), counts.sum()
    sums = np.cumsum(counts * middles)
    above = total - below
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return float(edges[1:][np.argmax(np.nan_to_num(apart[:-1]))])


def _organ(marked: NDArray[np.bool_], spacing: tuple[float, float, float]) -> NDArray[np.bool_]:
    """What surrounds the largest core that is deeper than vessels are; of parts that are all thin the largest."""
    depth = ndimage.distance_transform_edt(marked, sampling=spacing)
    core = _largest(depth > VESSEL_RADIUS_MM)
    if not core.any():
        return _largest(marked)
    return np.asarray(marked & (ndimage.distance_transform_edt(~core, sampling=spacing) <= VESSEL_RADIUS_MM + 1e-6))


def _largest(marked: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest part connected over faces."""
    parts, count = ndimage.label(marked)
    if count == 0:
        return marked
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return np.asarray(parts == sizes.argmax())
