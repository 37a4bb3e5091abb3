"""Charts: what metrics.csv says becomes lines, with chance beside the contrast, and no names on each other."""

from __future__ import annotations

import math
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcl.figures.translation.curves import Chart, Series, curves, spread_apart
from medcl.figures.translation.loss_charts import loss_charts
from tests.figures.segmentation.segmentation_cases import SvgChecker
from tests.figures.translation.translation_cases import NAMES, metrics


def by_title(charts: list[Chart]) -> dict[str, Chart]:
    return {chart.title: chart for chart in charts}


@pytest.mark.parametrize("positions", [256, 64])
def test_the_chance_line_lies_at_the_logarithm_of_the_positions(positions: int) -> None:
    chart = by_title(loss_charts(metrics(3, positions=positions)))["Contrast of patches (PatchNCE)"]
    ((level, name),) = chart.levels
    assert level == pytest.approx(math.log(positions))
    assert name == "chance"
    assert [each.known for each in chart.series] == [
        [(1, 5), (2, 3), (3, 1 + 4 / 3)],
        [(1, 2.5), (2, 1.5), (3, 0.5 + 2 / 3)],
    ]


def test_without_the_share_of_chance_no_line_is_made_up() -> None:
    rows = [{name: value for name, value in row.items() if name != "nce_of_chance"} for row in metrics(3)]
    assert by_title(loss_charts(rows))["Contrast of patches (PatchNCE)"].levels == ()


def test_validation_is_dice_where_there_are_masks_and_the_contrast_otherwise() -> None:
    with_masks = by_title(loss_charts(metrics(2), NAMES))
    dice = with_masks["Validation: Dice on translated slices"]
    assert [(each.name, each.known) for each in dice.series] == [
        ("mean", [(1, 0.75), (2, 0.75)]),
        ("liver", [(1, 0.8), (2, 0.8)]),
        ("left kidney", [(1, 0.7), (2, 0.7)]),
    ]
    assert with_masks["Validation: contrast of patches"].series[0].known[0] == (1, 5)
    without = loss_charts(metrics(2, dice=False))
    assert [chart.title for chart in without][3:] == ["Validation: contrast of patches"]
    assert without[3].series[0].known == [(1, 5), (2, 3)]


def test_training_and_validation_are_not_mixed() -> None:
    rows = [row for row in metrics(2) if row["split"] == "val"]
    assert not any(each.known for chart in loss_charts(rows, NAMES)[:3] for each in chart.series)


def test_numbers_come_as_text_or_as_numbers_and_gaps_stay_gaps() -> None:
    rows = [{"epoch": 1, "split": "train", "loss_gan": 0.5}, {"epoch": 2, "split": "train", "loss_gan": ""}]
    rows += [{"epoch": 3, "split": "train", "loss_gan": "nan"}, {"epoch": 4, "split": "train", "loss_gan": None}]
    assert loss_charts(rows)[0].series[0].known == [(1, 0.5)]


def test_charts_are_whole_and_every_line_has_its_name_and_dash() -> None:
    html = curves(loss_charts(metrics(30), ["<b>liver", "kidney"]))
    checker = SvgChecker()
    checker.feed(html)
    assert checker.open == []
    assert html.count("<svg") == 5
    assert "<b>" not in html
    dice = next(part for part in html.split("<figure>") if "Validation: Dice" in part)
    assert len(set(re.findall(r"<polyline[^>]*?(stroke-dasharray=\"[^\"]+\"|/>)", dice))) == 3
    assert ">&lt;b&gt;liver</text>" in dice


def test_nothing_is_drawn_of_nothing() -> None:
    assert curves(loss_charts([])) == ""
    assert curves([Chart("t", (Series("a", ((1, math.nan),)),))]) == ""


def test_one_epoch_and_equal_values_are_drawn() -> None:
    html = curves([Chart("t", (Series("a", ((1, 0.0),)), Series("b", ((1, 0.0),))), from_zero=False)])
    assert "nan" not in html
    assert html.count("<circle") == 2


def test_higher_values_lie_higher_and_later_epochs_farther_right() -> None:
    html = curves([Chart("t", (Series("a", ((1, 1.0), (5, 3.0))),))])
    (x1, y1), (x2, y2) = (map(float, pair.split(",")) for pair in re.findall(r'points="([^"]+)"', html)[0].split())
    assert x1 < x2
    assert y1 > y2


@given(st.lists(st.floats(-50, 400), min_size=1, max_size=20))
def test_names_are_kept_apart_in_order_and_within_the_picture(wanted: list[float]) -> None:
    places = spread_apart(wanted, 10, 200)
    order = sorted(range(len(wanted)), key=lambda place: wanted[place])
    steps = [places[b] - places[a] for a, b in pairwise(order)]
    assert all(step >= min(15, 190 / max(1, len(wanted) - 1)) - 1e-9 for step in steps)
    assert min(places) >= 10 - 1e-9
    assert max(places) <= 200 + 1e-9


def test_names_with_room_stay_where_they_are() -> None:
    assert spread_apart([50, 120, 20], 10, 200) == [50, 120, 20]
