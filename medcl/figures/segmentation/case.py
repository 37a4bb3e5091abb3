"""One case as the evaluation page knows it: plain values, so that figures need nothing of the evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medcl.figures.segmentation.views import View

DICE, HD95, ASSD = "dice", "hd95_mm", "assd_mm"
"""The metrics that the page orders, draws or sums up by; each case may have more."""

EMPTY = {
    "": "",
    "truth": "not in the truth: Dice 0, distances are the image's diagonal",
    "prediction": "not in the prediction: Dice 0, distances are the image's diagonal",
    "both": "in neither mask: undefined, left out of means",
}
"""In words, by the masks that have no voxel of a class."""


@dataclass(frozen=True)
class DrawnClass:
    """A class as it is drawn: its name, and its colour `#rrggbb`; its number is its place from 1."""

    name: str
    colour: str


@dataclass(frozen=True)
class ScoredClass:
    """One class of one case.

    Attributes:
        values: metrics by name; NaN where undefined.
        truth_ml, prediction_ml: volumes.
        empty: a key of EMPTY.
    """

    values: Mapping[str, float]
    truth_ml: float
    prediction_ml: float
    empty: str


@dataclass(frozen=True)
class ScoredCase:
    """One case.

    Attributes:
        name: as the page calls it.
        split: train, val, test, new or "".
        classes: one for each class of the page.
        overall: the mean over the classes that are defined, by metric.
        views: planes through the largest disagreement.
        remark: a sentence about the case, such as why there is no image behind the outlines.
    """

    name: str
    split: str
    classes: tuple[ScoredClass, ...]
    overall: Mapping[str, float]
    views: tuple[View, ...]
    remark: str = ""


def worst_first(cases: Sequence[ScoredCase]) -> list[int]:
    """Places of the cases: lowest mean Dice first, of equal ones the greater HD95; undefined ones last."""

    def rank(place: int) -> tuple[bool, float, float, int]:
        overall = cases[place].overall
        undefined = overall[DICE] != overall[DICE]
        return (undefined, 0.0, 0.0, place) if undefined else (False, overall[DICE], -overall[HD95], place)

    return sorted(range(len(cases)), key=rank)


def shown(metric: str, value: float) -> str:
    """A metric's value as pages write it: shares to three places, distances to three digits, "–" where undefined."""
    if value != value:
        return "–"
    return f"{value:.3f}" if metric == DICE else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def millilitres(volume: float) -> str:
    """A volume as pages write it: to three digits, whole mL from 100 on: 0.0123, 45.6, 2,734."""
    return f"{volume:,.0f}" if volume >= 99.95 else f"{volume:.3g}"
