from __future__ import annotations

import re

import numpy as np

from medcl.figures.chips import POLYGONS
from medcl.figures.clustering.marks import SYMBOLS
from medcl.figures.colouring import Colouring
from medcl.figures.colours import MISSING_SYMBOL
from medcl.figures.legend import legend
from medcl.figures.maps import Map
from medcl.figures.points import Points
from medcl.figures.scatter import STYLES, traces

POINTS = Points(["a", "a", "b", "c"], ["D15", "M3", "D15", "D15"], [""] * 4, ["train", "train", "val", "test"])
NUMBERS = Colouring("screat", "umol/L", "numeric", np.array([60.0, 150, np.nan, 250]))
CLASSES = Colouring("exam", "", "categorical", np.array(["D15", "M3", "", "<D15>"], dtype=object))


def keys(html: str) -> set[str]:
    return set(re.findall(r'data-key="([^"]+)"', html))


def test_every_trace_can_be_hidden_and_every_button_hides_something() -> None:
    for colouring in (NUMBERS, CLASSES):
        found = Map("pca", np.zeros((4, 2)) + np.arange(4)[:, None], ("a", "b"), "")
        drawn = {key for trace in traces(POINTS, colouring, found) for key in trace["meta"]["keys"]}
        assert keys(legend(POINTS, colouring, "image")) == drawn


def test_counts_of_images_and_patients() -> None:
    html = legend(POINTS, NUMBERS, "image")
    assert 'Training <span class="count">2 images of 1<' in html
    assert 'Held-out test <span class="count">1 image of 1<' in html
    assert 'value missing <span class="count">1 image of 1 patient<' in html
    assert "1 exam of 1 patient" in legend(POINTS, NUMBERS, "exam")


def test_numbers_have_a_colour_bar_with_unit_ticks_and_mark() -> None:
    html = legend(POINTS, NUMBERS, "image", (100.0, "raised →"))
    assert "Serum creatinine (µmol/L)" in html
    ticks = [float(tick) for tick in re.findall(r'text-anchor="middle">([\d.]+)<', html)]
    assert ticks == [100, 150, 200, 250]
    assert "raised →" in html
    assert "raised" not in legend(POINTS, NUMBERS, "image")
    # a mark outside the scale is not drawn
    assert "raised" not in legend(POINTS, NUMBERS, "image", (30.0, "raised →"))


def test_no_missing_no_button() -> None:
    whole = Colouring("gfr", "", "numeric", np.arange(4.0))
    assert "missing" not in legend(POINTS, whole, "image")


def test_outliers_are_told() -> None:
    count = 60
    points = Points(["a"] * count, [""] * count, [""] * count, ["train"] * count)
    values = np.append(np.linspace(50, 150, count - 1), 4000.0)
    html = legend(points, Colouring("gfr", "", "numeric", values), "image")
    assert "values lie beyond the scale (all: 50 to 4000)" in html
    assert "beyond" not in legend(points, Colouring("gfr", "", "numeric", np.linspace(50, 150, count)), "image")


def test_classes_are_buttons_with_escaped_names() -> None:
    html = legend(POINTS, CLASSES, "image")
    assert "&lt;D15&gt;" in html
    assert "<D15>" not in html
    assert html.count("<button") == 3 + 1 + 3
    assert html.count('aria-pressed="true"') == html.count("<button")


def test_every_shape_that_is_drawn_is_in_the_legend() -> None:
    drawn = {*SYMBOLS, MISSING_SYMBOL, *(style.symbol for style in STYLES.values())}
    assert drawn == {*POLYGONS, "circle"}
