"""How images become model-ready volumes: the options of `medcl preprocess` that change voxels, and nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

PAPER_SIZE = (96, 144, 192)
"""Input size (z, y, x) of the public code of paper 1 of the method `variable` (Milecki et al., MIDL 2022)."""

Spacing = tuple[float, float, float]

RECIPE_FORMAT = 1
"""Counted up when the same options begin to give other voxels; stores of another number are not mixed."""


@dataclass(frozen=True)
class Recipe:
    """What is done to each image, in this order (`prepare` does it).

    Attributes:
        roi: region that is kept: "whole", "mask", "centre", "enhancement" (`roi.REGIONS`), or "run:NAME", what a
            segmentation run finds.
        margin: mm kept around the region; None where the region itself says how much.
        spacing: mm along z, y, x that images are resampled to; None keeps each image's own.
        hu_window: (low, high) that become 0 and 1; None normalises each image by z-score, clip and min-max.
        size: voxels along z, y, x after cropping or padding with 0; (1, y, x) of slices.
        intensity: "zscore" or "percentile" (`intensity.LEVELS`); counts without hu_window only.
        intensity_over: "image", or "exam" when the statistics are those of all images of an exam together.
        n4: whether the bias field is taken out of the whole image first.
        slices: "axial" or "acquired" (`slices.slices_first`) when every slice is an image of its own: an image keeps
            as many as it has, at their distance. None makes volumes.
        slice_spacing: mm along y, x that slices are resampled to; None keeps each image's own.
        roi_weights: the first 16 digits of the SHA-256 of that run's weights, since its name may come to stand for
            others; None for other regions.
    """

    size: tuple[int, int, int] = PAPER_SIZE
    spacing: tuple[float, float, float] | None = None
    roi: str = "whole"
    margin: float | None = None
    hu_window: tuple[float, float] | None = None
    intensity: str = "zscore"
    intensity_over: str = "image"
    n4: bool = False
    slices: str | None = None
    slice_spacing: tuple[float, float] | None = None
    roi_weights: str | None = None

    @property
    def roi_kind(self) -> str:
        """The word of `roi.REGIONS`: "run" for "run:NAME"."""
        return self.roi.partition(":")[0]

    @property
    def roi_run(self) -> str | None:
        """Name of the segmentation run that finds the region; None for other regions."""
        return self.roi.partition(":")[2] if self.roi_kind == "run" else None

    @property
    def needs_exam(self) -> bool:
        """Whether what becomes of an image depends on the other images of its exam."""
        return self.intensity_over == "exam" or self.roi == "enhancement"

    def spacing_for(self, own: Spacing) -> Spacing | None:
        """What an image of spacing `own` (z, y, x) is resampled to; None where it stays as it is."""
        return (own[0], *self.slice_spacing) if self.slice_spacing is not None else self.spacing

    def size_for(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """The size (z, y, x) that a region of `shape` is cropped or padded to."""
        return self.size if self.slices is None else (shape[0], *self.size[1:])

    def key(self) -> str:
        """Short hash; equal for equal recipes only.

        What came later counts only where it is used, so that the keys of older stores and encoders stay what they were.
        """
        plain = self.to_json()
        used = {name: value for name, value in plain.items() if name not in _LATER or value != _LATER[name]}
        return hashlib.sha256(json.dumps(used, sort_keys=True).encode()).hexdigest()[:16]

    def to_json(self) -> dict[str, Any]:
        """Plain types, for recipe.json, run.json and the encoder's card."""
        plain = {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}
        return {"format": RECIPE_FORMAT, **plain}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Recipe:
        """The recipe that `to_json` wrote; keys that it does not know are left alone."""
        whole = {**_LATER, **stored}
        known: dict[str, Any] = {field.name: whole[field.name] for field in fields(cls)}
        plain: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in known.items()}
        return cls(**plain)

    def differences(self, stored: Mapping[str, Any]) -> list[str]:
        """What another recipe's `to_json` says otherwise, one phrase each: "size: 96 144 192 there, 8 8 8 now"."""
        mine, other = self.to_json(), {**_LATER, **stored}
        names = [name for name in {**mine, **other} if mine.get(name) != other.get(name)]
        return [f"{name}: {_words(other.get(name))} there, {_words(mine.get(name))} now" for name in names]


_LATER = {
    "intensity": "zscore",
    "intensity_over": "image",
    "n4": False,
    "slices": None,
    "slice_spacing": None,
    "roi_weights": None,
}
"""Options that recipes of earlier versions lack, with what was done then."""


def _words(value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "on" if value else "off"
    return " ".join(f"{part:g}" for part in value) if isinstance(value, list) else str(value)
