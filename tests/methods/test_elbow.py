"""The elbow: known curves, and curves without one."""

from __future__ import annotations

import math

import pytest

from medcl.methods.elbow import LEAST_DISTANCE, LEAST_TURN, find_elbow

NUMBERS = range(2, 21)


def test_a_kinked_curve_has_its_elbow_at_the_kink() -> None:
    """Falls by 100 a cluster to K = 5, then by 1."""
    curve = {k: 1000 - 100.0 * min(k - 2, 3) - max(k - 5, 0) for k in NUMBERS}
    elbow = find_elbow(curve)
    assert (elbow.clusters, elbow.turn) == (5, 100)
    assert elbow.distance == pytest.approx(1 - 3 / 18 - 15 / 315)
    assert elbow.clear


def test_the_units_of_the_curve_do_not_matter() -> None:
    curve = {k: 1 / k for k in NUMBERS}
    scaled = {k: 1e6 * value + 5e7 for k, value in curve.items()}
    assert find_elbow(scaled).clusters == find_elbow(curve).clusters
    assert find_elbow(scaled).distance == pytest.approx(find_elbow(curve).distance)


def test_a_straight_curve_has_none() -> None:
    elbow = find_elbow({k: 100.0 - k for k in NUMBERS})
    assert elbow.distance == pytest.approx(0, abs=1e-12)
    assert not elbow.clear


def test_a_flat_bend_has_none_by_its_distance() -> None:
    """Noise of many dimensions falls as -log K: a turn may be sharp by chance, the distance is small."""
    curve = {k: 100 - 10 * math.log(k) for k in NUMBERS}
    curve[8] -= 0.4
    elbow = find_elbow(curve)
    assert elbow.clusters == 8
    assert elbow.turn > LEAST_TURN
    assert elbow.distance < LEAST_DISTANCE
    assert not elbow.clear
    smooth = find_elbow({k: 100 - 10 * math.log(k) for k in NUMBERS})
    assert smooth.distance < LEAST_DISTANCE
    assert not smooth.clear


def test_a_smooth_deep_bend_has_none_by_its_turn() -> None:
    """Noise in a plane falls as 1 / K."""
    elbow = find_elbow({k: 1 / k for k in NUMBERS})
    assert elbow.distance > LEAST_DISTANCE
    assert elbow.turn == pytest.approx((1 / 5 - 1 / 6) / (1 / 6 - 1 / 7), rel=0.2)
    assert not elbow.clear


def test_what_stands_above_the_chord_is_no_elbow() -> None:
    elbow = find_elbow({k: 400.0 - k**2 for k in NUMBERS})
    assert elbow.clusters == 2
    assert not elbow.clear


@pytest.mark.parametrize("curve", [{2: 5.0}, {2: 5.0, 3: 1.0}, {2: 0.0, 3: 0.0, 4: 0.0}])
def test_too_short_and_constant_curves_give_the_fewest(curve: dict[int, float]) -> None:
    elbow = find_elbow(curve)
    assert elbow.clusters == 2
    assert not elbow.clear


def test_a_curve_that_reaches_zero_turns_without_end() -> None:
    elbow = find_elbow({2: 10.0, 3: 5.0, 4: 0.0, 5: 0.0, 6: 0.0})
    assert (elbow.clusters, elbow.turn) == (4, math.inf)
    assert elbow.clear
