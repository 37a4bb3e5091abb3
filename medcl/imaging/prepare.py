"""One image from its files to the model-ready volume.

The order: read in canonical RAS+, cut out the region of interest, resample, normalise intensities, crop or pad with 0.
It is that of the kidney paper (region, then intensities, then size: Milecki et al. and their public code), so that
the statistics of normalisation are those of the region; resampling, which the paper does not do, comes before the
intensities so that the least and the greatest of what is stored are 0 and 1.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from math import gcd
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medcl.imaging.fit import crop, crop_or_pad
from medcl.imaging.half import to_half
from medcl.imaging.intensity import hu_window, is_constant, normalise
from medcl.imaging.labels import decode_labels
from medcl.imaging.nifti import decode_image
from medcl.imaging.recipe import Recipe
from medcl.imaging.resample import resample
from medcl.imaging.roi import REGIONS, Known
from medcl.imaging.source import Contents, Source
from medcl.imaging.volume import Volume
from medcl.study.errors import BadInput

_SUMMARY_VOXELS = 65536


@dataclass(frozen=True)
class Intensities:
    """An image's intensities before normalisation; the quantiles are those of some 65,536 evenly spaced voxels."""

    low: float
    q01: float
    median: float
    q99: float
    high: float


@dataclass(frozen=True, eq=False)
class Prepared:
    """A model-ready volume and what it came from.

    Attributes:
        volume: (Z, Y, X) float16 in [0, 1], C-contiguous.
        labels: (Z, Y, X) uint8 or uint16 on the same grid, or None.
        affine: from (x, y, z) of `volume` to RAS+ mm.
        content: hash of the canonical source voxels, equal for the same image under two names.
        label_content: hash of `labels`, "" without.
        source_shape, source_spacing: of the canonical source, (z, y, x).
        region_shape: of the region after resampling, before crop or pad.
        intensities: of the canonical source.
    """

    volume: NDArray[np.float16]
    labels: NDArray[Any] | None
    affine: NDArray[np.float64]
    content: str
    label_content: str
    source_shape: tuple[int, int, int]
    source_spacing: tuple[float, float, float]
    region_shape: tuple[int, int, int]
    intensities: Intensities


def prepare(
    image: Path, mask: Path | None, recipe: Recipe, centre: tuple[float, float, float] | None = None
) -> Prepared:
    """Prepare one image.

    Args:
        image: NIfTI file, or a folder that holds one DICOM image.
        mask: label map on the image's grid, or None.
        recipe: what is done.
        centre: (x, y, z) in RAS mm, for the region "centre".

    Raises:
        BadInput: image, mask or centre cannot be used.
    """
    return prepare_contents(Source(image, mask, centre).read(), recipe)


def prepare_contents(contents: Contents, recipe: Recipe) -> Prepared:
    """As `prepare`, from the files' bytes."""
    source = contents.source
    image = _image(contents)
    content, intensities = content_hash(image.voxels), _intensities(image.voxels)
    labels = None
    if contents.mask is not None and source.mask is not None:
        labels = decode_labels(contents.mask, source.mask, image)
    cut, cut_labels, focus = _region(image, labels, source, recipe)
    if recipe.spacing is not None:
        cut = resample(cut, recipe.spacing)
        cut_labels = resample(cut_labels, recipe.spacing, order=0) if cut_labels is not None else None
    normalised = Volume(_normalised(cut.voxels, recipe, source), cut.affine)
    fitted = crop_or_pad(normalised, recipe.size, focus)
    fitted_labels = crop_or_pad(cut_labels, recipe.size, focus).voxels if cut_labels is not None else None
    return Prepared(
        volume=to_half(fitted.voxels),
        labels=fitted_labels,
        affine=fitted.affine,
        content=content,
        label_content=content_hash(fitted_labels) if fitted_labels is not None else "",
        source_shape=image.shape,
        source_spacing=image.spacing,
        region_shape=normalised.shape,
        intensities=intensities,
    )


def _image(contents: Contents) -> Volume:
    path = contents.source.image
    if not path.is_dir():
        return decode_image(contents.image, path)
    from medcl.imaging.dicom.read_series import read_dicom  # pydicom and highdicom, which NIfTI has no need of

    return read_dicom(path)


def content_hash(voxels: NDArray[Any]) -> str:
    """Hash of an array's shape and values."""
    digest = hashlib.sha256(repr((voxels.shape, voxels.dtype.str)).encode())
    digest.update(np.ascontiguousarray(voxels).data)
    return digest.hexdigest()[:32]


def _region(
    image: Volume, labels: Volume | None, source: Source, recipe: Recipe
) -> tuple[Volume, Volume | None, NDArray[np.float64]]:
    try:
        region = REGIONS[recipe.roi](Known(image, labels, source.centre, recipe))
    except BadInput as error:
        raise BadInput([f"{source.mask or source.image}: {problem}." for problem in error.problems]) from None
    cut_labels = crop(labels, region.low, region.high) if labels is not None else None
    return crop(image, region.low, region.high), cut_labels, region.focus


def _normalised(voxels: NDArray[np.float32], recipe: Recipe, source: Source) -> NDArray[np.float32]:
    """In place: the region's own intensities are not needed any more."""
    if recipe.hu_window is not None:
        bottom, top = recipe.hu_window
        low, high = float(voxels.min()), float(voxels.max())
        if high <= bottom or low >= top:
            raise BadInput(
                f"{source.image}: --hu-window {bottom:g} {top:g} leaves nothing: intensities of the region run from "
                f"{low:g} to {high:g}. Are they Hounsfield units?"
            )
        return hu_window(voxels, bottom, top, out=voxels)
    if is_constant(voxels):
        raise BadInput(
            f"{source.image}: the region of interest is constant, every voxel is {voxels[0, 0, 0]:g}: "
            "correct its mask or centre, or widen --margin."
        )
    return normalise(voxels, out=voxels)


def _intensities(voxels: NDArray[np.float32]) -> Intensities:
    step = max(1, voxels.size // _SUMMARY_VOXELS)
    while gcd(step, voxels.size) > 1:  # a step that divides the rows would walk down one column of background
        step += 1
    q01, median, q99 = np.quantile(voxels.reshape(-1)[::step], (0.01, 0.5, 0.99))
    return Intensities(float(voxels.min()), float(q01), float(median), float(q99), float(voxels.max()))
