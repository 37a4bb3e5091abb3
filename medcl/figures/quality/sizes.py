"""Sizes and spacings in both orders, and a recipe in words."""

from __future__ import annotations

from collections.abc import Sequence

from medcl.figures.labels import capital, number, readable
from medcl.imaging.intensity import CLIP_DEVIATIONS, PERCENTILES
from medcl.imaging.recipe import Recipe
from medcl.imaging.roi import MASK_MARGIN_MM

_IN_WORDS = {
    "format", "size", "spacing", "roi", "margin", "hu_window", "intensity", "intensity_over", "n4", "slices",
    "slice_spacing", "roi_weights",
}  # fmt: skip
_SLICES = {"axial": "axial", "acquired": "as acquired (across the coarsest spacing)"}
_TIMES = " × "
_WHOSE = {"image": "by each image's own", "exam": "by those of all images of an exam and modality together"}
_HOW = {
    "zscore": f"z-score, cut off at ±{CLIP_DEVIATIONS:g}, rescaled to 0 to 1",
    "percentile": "percentiles {:g} and {:g} become 0 and 1; what lies beyond is cut off".format(*PERCENTILES),
}
_AROUND = {"mask": "the labels of the column mask", "enhancement": "what enhances between the phases"}


def times(numbers: Sequence[float]) -> str:
    """Sizes or spacings as "24 × 32 × 40"."""
    return _TIMES.join(number(float(value)) for value in numbers)


def both_orders(numbers: Sequence[float]) -> str:
    """Three numbers along z, y, x as "24 × 32 × 40 (z y x) = 40 × 32 × 24 (x y z)", or two along y, x."""
    return span([numbers])


def span(rows: Sequence[Sequence[float]]) -> str:
    """Least to greatest of N rows along z, y, x (or y, x) in both orders; one number where they are the same."""
    ends = [(number(float(min(axis))), number(float(max(axis)))) for axis in zip(*rows, strict=True)]
    words = [low if low == high else f"{low}–{high}" for low, high in ends]
    axes = "zyx"[-len(words) :]
    return f"{_TIMES.join(words)} ({' '.join(axes)}) = {_TIMES.join(reversed(words))} ({' '.join(reversed(axes))})"


def recipe_facts(recipe: Recipe) -> dict[str, str]:
    """What was done to the images, a line each."""
    facts = {"Region": _region(recipe), "Resampled": _resampled(recipe), "Intensities": _intensities(recipe)}
    if recipe.slices is None:
        facts["Volumes"] = f"cropped or padded with 0 to {both_orders(recipe.size)} voxels"
    else:
        facts["Slices"] = (
            f"{_SLICES.get(recipe.slices, recipe.slices)}, all of an image's at their distance, cropped or padded "
            f"with 0 to {both_orders(recipe.size[1:])} pixels"
        )
    usual = type(recipe)().to_json()
    others = {name: value for name, value in recipe.to_json().items() if name not in _IN_WORDS}
    facts |= {capital(readable(name)): _plain(value) for name, value in others.items() if value != usual[name]}
    return facts


def _region(recipe: Recipe) -> str:
    if recipe.roi == "whole":
        return "the whole image"
    around = _AROUND.get(recipe.roi, "")
    if recipe.roi_run is not None:
        around = f"what the segmentation run {recipe.roi_run} (weights {recipe.roi_weights}) finds"
    if around:
        margin = MASK_MARGIN_MM if recipe.margin is None else recipe.margin
        return f"{around} and {number(float(margin))} mm around"
    if recipe.roi == "centre":
        held = "as much as the size holds" if recipe.margin is None else f"{number(recipe.margin)} mm"
        return f"{held} around the point of the columns centre_x, centre_y, centre_z"
    return recipe.roi if recipe.margin is None else f"{recipe.roi}, {number(recipe.margin)} mm around it"


def _resampled(recipe: Recipe) -> str:
    if recipe.slice_spacing:
        return f"within slices to {both_orders(recipe.slice_spacing)} mm"
    return f"to {both_orders(recipe.spacing)} mm" if recipe.spacing else "no: each image keeps its own spacing"


def _intensities(recipe: Recipe) -> str:
    if recipe.hu_window is not None:
        low, high = map(number, recipe.hu_window)
        return f"{low} to {high} become 0 to 1 (Hounsfield units); what lies beyond is cut off"
    first = "bias field taken out by N4; " if recipe.n4 else ""
    whose = _WHOSE.get(recipe.intensity_over, recipe.intensity_over)
    return f"{first}{whose}: {_HOW.get(recipe.intensity, recipe.intensity)}"


def _plain(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
