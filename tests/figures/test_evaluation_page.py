"""The page of `medcl evaluate`: the table, the plot of intervals, predictions against the truth, and what is marked."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from medcl.figures.evaluation_page.against_truth import Predictions, against_truth
from medcl.figures.evaluation_page.forest import LEFT, RIGHT, WIDTH, forest
from medcl.figures.evaluation_page.page import evaluation_page
from medcl.figures.evaluation_page.score_row import ComparisonRow, Interval, ScoreRow

ROW = ScoreRow(
    *("A<b>", "features", "linear", "training patients", {"r2": Interval(0.5, 0.25, 0.75, 0.95)}, 0.012, 30, 20, False)
)
NESTED = replace(ROW, fitted_on="held-out patients", scores={"r2": Interval(0.4, -3.0, 0.6, 0.95)})
GUESS = replace(ROW, name="mean", role="baseline", probe="", scores={"r2": Interval(-0.1, -0.2, 0.0, 0.95)}, p=None)
NOTHING = replace(ROW, name="B", scores={}, p=None, reason="Too few patients.")
COMPARED = ComparisonRow("A<b>", "mean", "linear", "training patients", Interval(0.6, 0.4, 0.8, 0.95), 0.001, 0.002, 30)
POINTS = Predictions("A", "numeric", (), np.array([1.0, 5.0]), np.array([2.0, 5.0]), ["P1 <x>", "P2"], False)


def page(**changed: object) -> str:
    given = {"target": "GFR [mL]", "kind": "regression", "main": "r2", "said": ["Two left out."], **changed}
    return evaluation_page([ROW, NESTED, GUESS, NOTHING], [COMPARED], [POINTS], **given)  # type: ignore[arg-type]


def test_the_page_holds_scores_intervals_and_what_was_left_out() -> None:
    html = page(facts={"Seed": "7"})
    assert "A&lt;b&gt;" in html
    assert "A<b>" not in html
    assert "0.500 (0.250 to 0.750)" in html
    assert "<td>0.012</td>" in html
    assert "A&lt;b&gt; less mean" in html
    assert "0.600 (0.400 to 0.800)" in html
    assert "Two left out." in html
    assert "B, linear, fitted on training patients, has no score: Too few patients." in html
    assert "Research use only" in html
    assert "SEEN" not in html
    assert html.count('id="scores"') == html.count('id="comparisons"') == 1


def test_what_was_seen_trained_on_or_left_out_is_said() -> None:
    seen = evaluation_page([replace(ROW, seen=True)], [], [], target="x", kind="regression", main="r2")
    assert "SEEN IN TRAINING" in seen
    assert "A&lt;b&gt; · seen in training" in seen
    assert "PATIENTS SEEN IN TRAINING ARE SCORED" in seen
    assert "trained by this target" in page(trained_on_it=["A"])
    assert "trained by this target" not in page()
    assert "probes of the other sites" in page(site_left_out=True)


def test_whiskers_end_where_the_intervals_do() -> None:
    html = forest([ROW, NESTED, GUESS, NOTHING], "r2", 0.0, "R²")
    whiskers = [
        tuple(map(float, pair)) for pair in re.findall(r'class="whisker \w+" x1="([\d.]+)" x2="([\d.]+)"', html)
    ]
    ticks = dict(
        zip(
            *[re.findall(pattern, html) for pattern in (r">(-?[\d.]+)</text>", r'class="grid" x1="([\d.]+)"')],
            strict=False,
        )
    )
    zero, one = float(ticks["0"]), float(re.findall(r'class="nothing" x1="([\d.]+)"', html)[0])
    assert zero == one
    unit = (float(ticks["0"]) - float(ticks["-1"])) / 1.0
    assert whiskers[0] == (pytest.approx(zero + 0.25 * unit, abs=0.2), pytest.approx(zero + 0.75 * unit, abs=0.2))
    assert whiskers[1][0] == LEFT < whiskers[1][1] < WIDTH - RIGHT  # goes on to -3: an arrow at the axis's end
    assert html.count('class="arrow') == 1
    assert html.count('class="features nested"') == 1
    assert forest([NOTHING], "r2", 0.0, "R²") == ""


def test_numbers_classes_and_events_against_the_truth() -> None:
    numbers = against_truth([POINTS], "GFR")
    assert "P1 &lt;x&gt;: true 1, predicted 2" in numbers
    assert "P1" not in against_truth([replace(POINTS, cases=[])], "GFR")
    shares = np.array([[0.9, 0.1], [0.2, 0.8]])
    two = replace(POINTS, kind="categorical", classes=("no", "yes"), truth=np.array([0, 1]), predicted=shares)
    assert "P2: 0.8" in against_truth([two], "rejection")
    three = replace(two, classes=("a", "b", "c"), predicted=np.array([[0.1, 0.7, 0.2], [0.1, 0.8, 0.1]]))
    html = against_truth([three], "stage")
    assert re.findall(r'<td class="number">(\d)</td>', html) == list("010010000")
    times = np.array([[10.0, 1.0], [20.0, 0.0]])
    events = against_truth([replace(POINTS, kind="survival", truth=times, seen=True)], "failure")
    assert events.count('class="ended"') == events.count('class="known"') == 1
    assert "patients seen in training among them" in events
    assert against_truth([], "GFR") == ""
