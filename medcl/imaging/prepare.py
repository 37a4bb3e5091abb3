"""One image from its files to the model-ready volume.

The order: read in canonical RAS+, take out the bias field (--n4), bring the slices' axis to the front (--slices), cut
out the region of interest, resample, normalise intensities, crop or pad with 0. It is that of the kidney paper (region,
then intensities, then size: Milecki et al. and their public code), so that the statistics of normalisation are those of
the region; resampling, which the paper does not do, comes before the intensities so that the least and the greatest of
what is stored are 0 and 1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import gcd
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from medcl.imaging.fit import crop, unpadded
from medcl.imaging.half import to_half
from medcl.imaging.intensity import LEVELS, Levels, hu_window, is_constant, normalised
from medcl.imaging.labels import decode_labels
from medcl.imaging.nifti import decode_image
from medcl.imaging.recipe import Recipe
from medcl.imaging.resample import resample
from medcl.imaging.roi import REGIONS, Known
from medcl.imaging.slices import fit, slices_first
from medcl.imaging.source import Contents, Source
from medcl.imaging.suspicions import suspicions
from medcl.imaging.volume import Volume
from medcl.study.errors import BadInput

Item = TypeVar("Item")
Result = TypeVar("Result")

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
        volume: (Z, Y, X) float16 in [0, 1], C-contiguous; of slices Z is their number.
        labels: (Z, Y, X) uint8 or uint16 on the same grid, or None.
        affine: from (x, y, z) of `volume` to RAS+ mm.
        content: hash of the canonical source voxels, equal for the same image under two names.
        volume_content: hash of `volume`.
        label_content: hash of `labels`, "" without.
        source_shape, source_spacing: of the canonical source, (z, y, x).
        region_shape: of the region after resampling, before crop or pad; along the axes of `volume`.
        intensities: of the canonical source.
        levels: what became 0 and 1 in `volume`.
        warnings: what is odd about it, in sentences.
        filled: the part of `volume` along z, y, x that shows the region; the rest is padding.
    """

    volume: NDArray[np.float16]
    labels: NDArray[Any] | None
    affine: NDArray[np.float64]
    content: str
    volume_content: str
    label_content: str
    source_shape: tuple[int, int, int]
    source_spacing: tuple[float, float, float]
    region_shape: tuple[int, int, int]
    intensities: Intensities
    levels: Levels
    warnings: tuple[str, ...] = ()
    filled: tuple[slice, slice, slice] = (slice(None), slice(None), slice(None))


class BadExam(BadInput):
    """Images of an exam that cannot be used.

    Attributes:
        by_image: the problems of each, in the order in which they were given; empty of those that have none.
    """

    def __init__(self, by_image: Sequence[tuple[str, ...]]) -> None:
        super().__init__([problem for problems in by_image for problem in problems])
        self.by_image = list(by_image)


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
    return prepare_together([contents], recipe)[0]


def prepare_together(exam: Sequence[Contents], recipe: Recipe) -> list[Prepared]:
    """Prepare the images of one exam, which --intensity-over exam brings to one scale.

    Raises:
        BadExam: some cannot be used.
        BadInput: they cannot be used together.
    """
    decoded = _each(_decode, exam)
    prepared = prepare_volumes([(image, labels) for image, labels, _ in decoded], [c.source for c in exam], recipe)
    return [replace(each, warnings=warnings) for each, (_, _, warnings) in zip(prepared, decoded, strict=True)]


def prepare_volumes(
    volumes: Sequence[tuple[Volume, Volume | None]], sources: Sequence[Source], recipe: Recipe
) -> list[Prepared]:
    """As `prepare_together`, from canonical images with their label maps; looks for nothing odd."""
    enhancing = _enhancing([image for image, _ in volumes], sources[0]) if recipe.roi == "enhancement" else None
    pairs = list(zip(volumes, sources, strict=True))
    cuts = _each(lambda pair: _cut(*pair[0], pair[1], recipe, enhancing), pairs)
    levels = None
    if recipe.intensity_over == "exam":
        levels = _levels([cut.region.voxels for cut in cuts], recipe, sources[0])
    return _each(lambda pair: _finished(*pair, recipe, levels), list(zip(cuts, sources, strict=True)))


def _each(step: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """The step's results for all images of an exam, or all their problems."""
    results: list[Result] = []
    by_image: list[tuple[str, ...]] = []
    for item in items:
        try:
            results.append(step(item))
            by_image.append(())
        except BadInput as error:
            by_image.append(tuple(error.problems))
    if len(results) < len(items):
        raise BadExam(by_image)
    return results


def _decode(contents: Contents) -> tuple[Volume, Volume | None, tuple[str, ...]]:
    source, labels = contents.source, None
    image = decode_source(contents.image, source.image)
    if contents.mask is not None and source.mask is not None:
        labels = decode_labels(contents.mask, source.mask, image)
    return image, labels, tuple(suspicions(contents, image, labels))


@dataclass(frozen=True, eq=False)
class _Cut:
    """An image's region of interest at the spacing that is stored, and what is noted of its source."""

    source: Volume
    region: Volume
    labels: Volume | None
    focus: NDArray[np.float64]
    content: str
    intensities: Intensities


def _enhancing(images: Sequence[Volume], first: Source) -> Volume:
    from medcl.imaging.enhancement import enhancing_part  # scipy.ndimage, which other regions have no need of

    try:
        return enhancing_part(images)
    except BadInput as error:
        raise BadInput([f"{first.image}: {problem}." for problem in error.problems]) from None


def _cut(image: Volume, labels: Volume | None, source: Source, recipe: Recipe, enhancing: Volume | None) -> _Cut:
    content, intensities = content_hash(image.voxels), _intensities(image.voxels)
    turned = _without_bias(image, source) if recipe.n4 else image
    if recipe.slices is not None:
        turned = slices_first(turned, recipe.slices)
        labels = slices_first(labels, recipe.slices) if labels is not None else None
    region, cut_labels, focus = _region(Known(turned, labels, source.centre, recipe, enhancing, source.found), source)
    spacing = recipe.spacing_for(region.spacing)
    if spacing is not None:
        region = resample(region, spacing)
        cut_labels = resample(cut_labels, spacing, order=0) if cut_labels is not None else None
    return _Cut(image, region, cut_labels, focus, content, intensities)


def _finished(cut: _Cut, source: Source, recipe: Recipe, levels: Levels | None) -> Prepared:
    voxels, levels = _normalised(cut.region.voxels, recipe, source, levels)
    fitted = fit(Volume(voxels, cut.region.affine), recipe, cut.focus)
    labels = fit(cut.labels, recipe, cut.focus).voxels if cut.labels is not None else None
    volume = to_half(fitted.voxels)
    return Prepared(
        volume=volume,
        labels=labels,
        affine=fitted.affine,
        content=cut.content,
        volume_content=content_hash(volume),
        label_content=content_hash(labels) if labels is not None else "",
        source_shape=cut.source.shape,
        source_spacing=cut.source.spacing,
        region_shape=cut.region.shape,
        intensities=cut.intensities,
        levels=levels,
        filled=unpadded(fitted, cut.region.shape, cut.region.affine),
    )


def decode_source(content: bytes, path: Path) -> Volume:
    """The image of a NIfTI file's bytes, or of a DICOM folder.

    Raises:
        BadInput: it cannot be used.
    """
    if not path.is_dir():
        return decode_image(content, path)
    from medcl.imaging.dicom.read_series import read_dicom  # pydicom and highdicom, which NIfTI has no need of

    return read_dicom(path)


def content_hash(voxels: NDArray[Any]) -> str:
    """Hash of an array's shape and values."""
    digest = hashlib.sha256(repr((voxels.shape, voxels.dtype.str)).encode())
    digest.update(np.ascontiguousarray(voxels).data)
    return digest.hexdigest()[:32]


def _region(known: Known, source: Source) -> tuple[Volume, Volume | None, NDArray[np.float64]]:
    """Image and labels of the region, and the point that is to lie in the middle."""
    image, labels = known.image, known.labels
    if known.found is not None and known.found.problems:
        raise BadInput(list(known.found.problems))
    try:
        region = REGIONS[known.recipe.roi_kind](known)
    except BadInput as error:
        named = source.mask if known.recipe.roi == "mask" else None
        raise BadInput([f"{named or source.image}: {problem}." for problem in error.problems]) from None
    cut_labels = crop(labels, region.low, region.high) if labels is not None else None
    return crop(image, region.low, region.high), cut_labels, region.focus


def _normalised(
    voxels: NDArray[np.float32], recipe: Recipe, source: Source, levels: Levels | None
) -> tuple[NDArray[np.float32], Levels]:
    """In place: the region's own intensities are not needed any more. `levels` are those of the exam, if any."""
    if recipe.hu_window is not None:
        levels = Levels(*recipe.hu_window)
        low, high = float(voxels.min()), float(voxels.max())
        if high <= levels.low or low >= levels.high:
            raise BadInput(
                f"{source.image}: --hu-window {levels.low:g} {levels.high:g} leaves nothing: intensities of the region "
                f"run from {low:g} to {high:g}. Are they Hounsfield units?"
            )
    elif is_constant(voxels):
        raise BadInput(
            f"{source.image}: the region of interest is constant, every voxel is {voxels[0, 0, 0]:g}: "
            "correct its mask or centre, or widen --margin."
        )
    elif levels is None and recipe.intensity == "zscore":
        return normalised(voxels, out=voxels)  # to the bit what earlier versions stored
    levels = levels or _levels([voxels], recipe, source)
    return hu_window(voxels, levels.low, levels.high, out=voxels), levels


def _levels(regions: Sequence[NDArray[np.float32]], recipe: Recipe, source: Source) -> Levels:
    levels = LEVELS[recipe.intensity](regions)
    if not levels.low < levels.high:
        raise BadInput(
            f"{source.image}: --intensity {recipe.intensity} finds no range, nearly all voxels of the region are "
            f"{levels.low:g}: choose a region with --roi, or --intensity zscore."
        )
    return levels


def _without_bias(image: Volume, source: Source) -> Volume:
    from medcl.imaging.bias_field import without_bias  # SimpleITK, an extra

    if source.modality == "ct":
        raise BadInput(f"{source.image}: is a CT, which has no bias field: leave --n4 out for its store.")
    try:
        return without_bias(image)
    except BadInput as error:
        raise BadInput([f"{source.image}: {problem}" for problem in error.problems]) from None


def _intensities(voxels: NDArray[np.float32]) -> Intensities:
    step = max(1, voxels.size // _SUMMARY_VOXELS)
    while gcd(step, voxels.size) > 1:  # a step that divides the rows would walk down one column of background
        step += 1
    q01, median, q99 = np.quantile(voxels.reshape(-1)[::step], (0.01, 0.5, 0.99))
    return Intensities(float(voxels.min()), float(q01), float(median), float(q99), float(voxels.max()))
