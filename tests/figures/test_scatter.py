"""Traces: every row once, with its own colour; held-out patients look different; missing values are grey."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import pytest

from medcl.figures import scatter
from medcl.figures.colouring import Colouring
from medcl.figures.colours import CLASS_COLOURS, CLASS_SYMBOLS, MISSING_COLOUR, MISSING_SYMBOL
from medcl.figures.maps import Map
from medcl.figures.points import Points
from medcl.figures.scatter import Trace, layout, traces

SPLIT = ["train", "train", "val", "test", "test", "new"]
POINTS = Points([f"P{n}" for n in range(6)], ["D15"] * 6, [""] * 6, SPLIT)
PLACES = np.arange(12.0).reshape(6, 2)
PCA = Map("pca", PLACES, ("PC1", "PC2"), "")
NUMBERS = Colouring("gfr", "", "numeric", np.array([10.0, np.nan, 30, 40, np.nan, 60]))
CLASSES = Colouring("site", "", "categorical", np.array(["a", "b", "", "a", "b", "b"], dtype=object))


def by_row(made: list[Trace]) -> dict[int, Trace]:
    return {row: trace for trace in made for row in trace["meta"]["rows"]}


@pytest.mark.parametrize("colouring", [NUMBERS, CLASSES])
def test_every_row_stands_once_at_its_place(colouring: Colouring) -> None:
    made = traces(POINTS, colouring, PCA)
    rows = [row for trace in made for row in trace["meta"]["rows"]]
    assert sorted(rows) == list(range(6))
    for trace in made:
        np.testing.assert_allclose(np.column_stack([trace["x"], trace["y"]]), PLACES[trace["meta"]["rows"]])


@pytest.mark.parametrize("colouring", [NUMBERS, CLASSES])
@pytest.mark.parametrize("method", ["pca", "umap"])
def test_plotly_accepts_what_is_drawn(colouring: Colouring, method: str) -> None:
    found = Map(method, PLACES, ("a", "b"), "")
    figure = go.Figure({"data": traces(POINTS, colouring, found), "layout": layout(found)})
    assert len(figure.data) == len(traces(POINTS, colouring, found))


def test_numbers_carry_their_value_and_one_scale() -> None:
    made = by_row(traces(POINTS, NUMBERS, PCA))
    for row in (0, 2, 3, 5):
        marker = made[row]["marker"]
        place = made[row]["meta"]["rows"].index(row)
        assert marker["color"][place] == NUMBERS.values[row]
        assert (marker["cmin"], marker["cmax"]) == (10, 60)


def test_missing_values_are_a_grey_class_below_the_others() -> None:
    for colouring, gone in ((NUMBERS, (1, 4)), (CLASSES, (2,))):
        made = traces(POINTS, colouring, PCA)
        for row in gone:
            assert by_row(made)[row]["marker"]["color"] == MISSING_COLOUR
            assert by_row(made)[row]["marker"]["symbol"] == MISSING_SYMBOL
            assert "missing" in by_row(made)[row]["meta"]["keys"]
        grey = [trace["marker"]["color"] == MISSING_COLOUR for trace in made]
        assert grey == sorted(grey, reverse=True)
        assert sum(len(trace["x"]) for trace, is_grey in zip(made, grey, strict=True) if is_grey) == len(gone)


def test_held_out_patients_are_larger_with_a_dark_outline() -> None:
    for colouring in (NUMBERS, CLASSES):
        made = by_row(traces(POINTS, colouring, PCA))
        train, test = made[0]["marker"], made[3]["marker"]
        assert test["size"] > train["size"]
        assert test["line"]["width"] > train["line"]["width"]
        assert made[0]["meta"]["keys"][0] == "split-train"
        assert made[3]["meta"]["keys"][0] == "split-test"
    shapes = {split: by_row(traces(POINTS, NUMBERS, PCA))[SPLIT.index(split)] for split in ("val", "new")}
    assert shapes["val"]["marker"]["symbol"] != shapes["new"]["marker"]["symbol"]


def test_classes_have_colour_and_shape_of_their_own() -> None:
    made = by_row(traces(POINTS, CLASSES, PCA))
    assert made[0]["marker"]["color"] == made[3]["marker"]["color"] == CLASS_COLOURS[0]
    assert made[1]["marker"]["color"] == CLASS_COLOURS[1]
    assert made[5]["marker"]["symbol"] == CLASS_SYMBOLS[1]
    assert made[5]["meta"]["keys"] == ["split-new", "class-1"]


def test_many_points_are_drawn_by_webgl_and_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    few = traces(POINTS, NUMBERS, PCA)
    monkeypatch.setattr(scatter, "WEBGL_FROM", 5)
    many = traces(POINTS, NUMBERS, PCA)
    assert {trace["type"] for trace in few} == {"scatter"}
    assert {trace["type"] for trace in many} == {"scattergl"}
    assert many[0]["marker"]["size"] < few[0]["marker"]["size"]


def test_rounding_is_finer_than_a_pixel_at_any_scale() -> None:
    for factor in (1e-7, 1.0, 1e6):
        places = np.random.default_rng(0).normal(size=(6, 2)) * factor
        made = traces(POINTS, NUMBERS, Map("pca", places, ("a", "b"), ""))
        drawn = np.array([trace["x"][trace["meta"]["rows"].index(row)] for row, trace in sorted(by_row(made).items())])
        assert np.abs(drawn - places[:, 0]).max() <= 1e-4 * np.ptp(places)


def test_axes_of_neighbourhood_maps_have_no_numbers() -> None:
    assert layout(PCA)["xaxis"]["showticklabels"]
    assert not layout(Map("umap", PLACES, ("a", "b"), ""))["xaxis"]["showticklabels"]


def test_logarithmic_colours_keep_the_order_and_the_limits() -> None:
    values = np.exp(np.random.default_rng(0).normal(5, 0.8, size=60))
    points = Points(["P"] * 60, [""] * 60, [""] * 60, ["test"] * 60)
    places = np.random.default_rng(1).normal(size=(60, 2))
    colouring = Colouring("screat", "", "numeric", values)
    (trace,) = traces(points, colouring, Map("pca", places, ("a", "b"), ""))
    np.testing.assert_allclose(trace["marker"]["color"], np.log10(values), atol=1e-6)
    np.testing.assert_allclose([trace["marker"]["cmin"], trace["marker"]["cmax"]], np.log10(colouring.limits()))
