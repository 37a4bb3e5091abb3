"""How images become model-ready volumes: the options of `medcl preprocess` that change voxels, and nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

PAPER_SIZE = (96, 144, 192)
"""Input size (z, y, x) of the public code of paper 1 of the method `variable` (Milecki et al., MIDL 2022)."""

RECIPE_FORMAT = 1
"""Counted up when the same options begin to give other voxels; stores of another number are not mixed."""


@dataclass(frozen=True)
class Recipe:
    """What is done to each image, in this order (`prepare` does it).

    Attributes:
        roi: region that is kept: "whole", "mask" or "centre" (`roi.REGIONS`).
        margin: mm kept around the region; None where the region itself says how much.
        spacing: mm along z, y, x that images are resampled to; None keeps each image's own.
        hu_window: (low, high) that become 0 and 1; None normalises each image by z-score, clip and min-max.
        size: voxels along z, y, x after cropping or padding with 0.
    """

    size: tuple[int, int, int] = PAPER_SIZE
    spacing: tuple[float, float, float] | None = None
    roi: str = "whole"
    margin: float | None = None
    hu_window: tuple[float, float] | None = None

    def key(self) -> str:
        """Short hash; equal for equal recipes only."""
        text = json.dumps(self.to_json(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def to_json(self) -> dict[str, Any]:
        """Plain types, for recipe.json, run.json and the encoder's card."""
        plain = {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}
        return {"format": RECIPE_FORMAT, **plain}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Recipe:
        """The recipe that `to_json` wrote; keys that it does not know are left alone."""
        known: dict[str, Any] = {name: stored[name] for name in cls.__dataclass_fields__}
        plain: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in known.items()}
        return cls(**plain)

    def differences(self, stored: Mapping[str, Any]) -> list[str]:
        """What another recipe's `to_json` says otherwise, one phrase each: "size: 96 144 192 there, 8 8 8 now"."""
        mine = self.to_json()
        names = [name for name in {**mine, **stored} if mine.get(name) != stored.get(name)]
        return [f"{name}: {_words(stored.get(name))} there, {_words(mine.get(name))} now" for name in names]


def _words(value: Any) -> str:
    if value is None:
        return "not set"
    return " ".join(f"{part:g}" for part in value) if isinstance(value, list) else str(value)
