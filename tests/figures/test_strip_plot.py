from __future__ import annotations

import re

import pytest

from medcl.figures.colour_bar import ticks
from medcl.figures.strip_plot import LEFT, RIGHT, WIDTH, Strip, round_limits, strip_plot
from tests.figures.segmentation.segmentation_cases import SvgChecker

NAN = float("nan")


def test_points_lie_on_the_axis_and_undefined_ones_nowhere() -> None:
    html = strip_plot("Dice", [Strip("a", "#000000", [0.0, 0.5, 1.0, NAN], list("wxyz"))], (0.0, 1.0))
    assert [float(x) for x in re.findall(r'cx="([\d.]+)"', html)] == [LEFT, (LEFT + WIDTH - RIGHT) / 2, WIDTH - RIGHT]
    assert "<title>x: 0.5</title>" in html
    assert "z: " not in html


def test_the_box_runs_between_quartiles() -> None:
    html = strip_plot("Dice", [Strip("a", "#000000", [0.0, 0.25, 0.5, 0.75, 1.0], list("vwxyz"))], (0.0, 1.0))
    axis = WIDTH - LEFT - RIGHT
    assert f'class="box" x="{LEFT + axis / 4:.1f}"' in html
    assert f'width="{axis / 2:.1f}"' in html
    assert "box" not in strip_plot("Dice", [Strip("a", "#000000", [NAN], ["v"])], (0.0, 1.0))


def test_it_is_whole_and_escaped() -> None:
    wicked = "<script>alert(1)</script>"
    html = strip_plot(wicked, [Strip(wicked, wicked, [0.5], [wicked])], (0.0, 1.0), wicked)
    assert "<script" not in html
    checker = SvgChecker()
    checker.feed(html)
    assert checker.open == []


@pytest.mark.parametrize(("low", "high"), [(0.0, 47.3), (0.0, 100.1), (0.0, 1.0), (0.37, 1.0), (0.9, 1.0), (0.0, 3.01)])
def test_no_point_lies_beyond_the_last_tick(low: float, high: float) -> None:
    first, last = round_limits(low, high)
    marks = ticks(first, last)
    assert marks[0] == pytest.approx(first)
    assert marks[-1] == pytest.approx(last)
    assert first <= low + 1e-9
    assert high - 1e-9 <= last <= high + marks[1] - marks[0]


def test_dice_ends_at_one() -> None:
    for tenths in range(10):
        assert round_limits(tenths / 10, 1.0)[1] == pytest.approx(1.0)
