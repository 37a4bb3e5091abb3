"""Small scored cases for the tests of the evaluation page."""

from __future__ import annotations

import numpy as np

from medcl.figures.segmentation.case import DrawnClass, ScoredCase, ScoredClass
from medcl.figures.segmentation.tables import SummaryCell, SummaryRow
from medcl.figures.segmentation.views import View, views
from tests.figures.test_page import Checker

CLASSES = [DrawnClass("right ventricle", "#0072B2"), DrawnClass("left ventricle", "#D55E00")]
METRICS = ("dice", "assd_mm", "hd95_mm", "hd_mm", "asd_prediction_to_truth_mm", "asd_truth_to_prediction_mm")
TITLES = {"dice": "Dice", "hd95_mm": "HD95 mm"}


class SvgChecker(Checker):
    """As Checker, where SVG's elements close themselves or are closed."""

    VOID = ("meta", "br", "link", "img", "input", "hr")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)


def planes(seed: int = 0) -> tuple[View, ...]:
    """Two boxes and their shifted prediction on noise."""
    truth = np.zeros((6, 24, 26), np.uint8)
    truth[1:4, 4:12, 5:12], truth[2:5, 12:20, 12:20] = 1, 3
    image = np.random.default_rng(seed).normal(100, 20, truth.shape).astype(np.float32)
    return views(image, truth, np.roll(truth, 2, axis=2), (1, 3), (4.0, 1.5, 1.5))


def scored(dice: float, hd95: float = 5.0, empty: str = "") -> ScoredClass:
    values = dict.fromkeys(METRICS, 1.5) | {"dice": dice, "hd95_mm": hd95}
    return ScoredClass(dict.fromkeys(METRICS, float("nan")) if empty == "both" else values, 12.0, 11.0, empty)


def case(
    name: str, dice: float, hd95: float = 5.0, split: str = "test", empty: str = "", remark: str = ""
) -> ScoredCase:
    """A case whose first class may be empty; its mean is told as it is."""
    overall = dict.fromkeys(METRICS, 1.5) | {"dice": dice, "hd95_mm": hd95}
    return ScoredCase(name, split, (scored(dice, hd95, empty), scored(dice, hd95)), overall, planes(), remark)


def summary(dice: float = 0.8) -> list[SummaryRow]:
    cells = {name: SummaryCell(dice, 0.1, 0.81, 0.7, 0.9) for name in TITLES}
    names = [each.name for each in CLASSES]
    return [SummaryRow(name, 3, cells, "") for name in [*names, "mean over classes"]]
