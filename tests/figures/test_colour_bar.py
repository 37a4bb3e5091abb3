from __future__ import annotations

import re

import numpy as np
import pytest

from medcl.figures.colour_bar import BINS, HISTOGRAM_HEIGHT, MARGIN, WIDTH, colour_bar, ticks
from medcl.figures.colouring import Colouring

LONG_TAIL = np.exp(np.random.default_rng(0).normal(5, 0.8, size=300))
EVEN = np.linspace(50, 150, 101)


def bar(values: np.ndarray, mark: tuple[float, str] | None = None) -> str:
    return colour_bar(Colouring("screat", "umol/L", "numeric", values), mark)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (60, 250, [100, 150, 200, 250]),
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (-1, 1, [-1, -0.5, 0, 0.5, 1]),
        (12.1, 12.9, [12.2, 12.4, 12.6, 12.8]),
        (0, 3e6, [0, 1e6, 2e6, 3e6]),
    ],
)
def test_ticks_are_round(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == pytest.approx(expected)


def test_ticks_of_a_logarithmic_bar() -> None:
    assert ticks(30, 900, logarithmic=True) == [50, 100, 200, 500]
    assert ticks(0.3, 12, logarithmic=True) == pytest.approx([0.5, 1, 2, 5, 10])
    assert ticks(60, 140, logarithmic=True) == ticks(60, 140)


def tick_places(html: str) -> dict[float, float]:
    found = re.findall(r'<text x="([\d.]+)" y="\d+" text-anchor="middle">([\d.]+)<', html)
    return {float(value): float(x) for x, value in found}


def test_ticks_stand_where_their_colour_is() -> None:
    places = tick_places(bar(EVEN))
    assert places[100] == pytest.approx(MARGIN + WIDTH / 2, abs=0.1)
    places = tick_places(bar(LONG_TAIL))
    assert places[1000] - places[500] == pytest.approx(places[200] - places[100], abs=0.2)


def test_long_tails_are_said_to_be_logarithmic() -> None:
    assert "Logarithmic" in bar(LONG_TAIL)
    assert "Logarithmic" not in bar(EVEN)


def test_histogram_has_the_values() -> None:
    heights = [float(tall) for tall in re.findall(r'height="([\d.]+)" fill="#\w+" stroke=', bar(np.arange(36.0)))]
    assert heights == [HISTOGRAM_HEIGHT] * BINS
    assert len(re.findall(r"stroke-opacity", bar(np.array([1.0, 2.0, 2.0])))) == 2


def test_mark_within_the_limits_only() -> None:
    assert "raised" in bar(EVEN, (100, "raised"))
    assert "raised" not in bar(EVEN, (200, "raised"))
    assert "&lt;b&gt;" in bar(EVEN, (100, "<b>"))
