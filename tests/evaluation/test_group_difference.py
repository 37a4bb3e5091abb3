from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from medcl.evaluation import group_difference
from medcl.evaluation.group_difference import categorical_difference, numeric_difference, rank_biserial

GENERATOR = np.random.default_rng(0)
GROUPS = np.repeat([0, 1, 2], 20)


def test_numbers_are_tested_as_scipy_does() -> None:
    values = GENERATOR.normal(size=60) + 0.5 * GROUPS
    values[[3, 30]] = np.nan
    found = numeric_difference(values, GROUPS)
    expected = stats.kruskal(*(values[group == GROUPS] for group in range(3)), nan_policy="omit")
    assert (found.statistic, found.p) == pytest.approx((expected.statistic, expected.pvalue))
    assert found.effect == pytest.approx(expected.statistic / 57)
    assert (found.test, found.effect_name, found.reason) == ("Kruskal-Wallis", "epsilon-squared", "")


def test_epsilon_squared_is_1_where_groups_tell_the_ranks() -> None:
    assert numeric_difference(np.repeat([1.0, 2.0, 3.0], 20), GROUPS).effect == pytest.approx(1)


def test_classes_are_tested_as_scipy_does() -> None:
    classes = GENERATOR.choice(["no", "yes"], size=60)
    classes[5] = ""
    found = categorical_difference(classes, GROUPS)
    table = [[int(((classes == name) & (group == GROUPS)).sum()) for name in ("no", "yes")] for group in range(3)]
    expected = stats.chi2_contingency(table, correction=False)
    assert (found.statistic, found.p) == pytest.approx((expected.statistic, expected.pvalue))
    assert found.test == "chi-square"
    assert found.effect == pytest.approx(stats.contingency.association(table, method="cramer"))
    assert categorical_difference(np.array(["a", "b", "c"])[GROUPS], GROUPS).effect == pytest.approx(1)


def test_a_small_table_of_two_by_two_is_fishers() -> None:
    """Fisher's tea: 3 of 4 right, p 0.4857 two-sided."""
    classes = np.array(["milk"] * 3 + ["tea"] + ["milk"] + ["tea"] * 3)
    found = categorical_difference(classes, np.repeat([0, 1], 4))
    assert found.test == "Fisher's exact"
    assert found.p == pytest.approx(34 / 70)
    assert found.statistic == pytest.approx(2)


def test_a_small_larger_table_is_permuted() -> None:
    """The exact p of a 3 x 2 table, over all tables with its margins."""
    classes = np.array(["a", "a", "a", "b", "b", "b", "b", "b", "a"])
    groups = np.repeat([0, 1, 2], 3)
    found = categorical_difference(classes, groups)
    assert found.test == "chi-square, 9,999 permutations"
    margins = stats.random_table([3, 3, 3], [4, 5])
    exact = 0.0
    for first in range(4):
        for second in range(4):
            if 0 <= (third := 4 - first - second) <= 3:
                table = np.array([[n, 3 - n] for n in (first, second, third)])
                if stats.chi2_contingency(table, correction=False).statistic >= found.statistic - 1e-9:
                    exact += margins.pmf(table)
    assert found.p == pytest.approx(exact, abs=0.015)
    assert categorical_difference(classes, groups).p == found.p
    assert categorical_difference(classes, groups, seed=1).p != found.p


def test_permutations_in_parts_are_all_there(monkeypatch: pytest.MonkeyPatch) -> None:
    classes, groups = np.array(["a", "a", "b", "b", "c", "a", "c", "c"]), np.repeat([0, 1], 4)
    at_once = categorical_difference(classes, groups).p
    monkeypatch.setattr(group_difference, "_CELLS", 6 * 2500)
    assert categorical_difference(classes, groups).p == pytest.approx(at_once, abs=0.02)
    assert sum(group_difference._parts(9999, 2500)) == 9999


def test_a_variable_that_cannot_be_tested_says_why() -> None:
    values = np.full(60, np.nan)
    assert numeric_difference(values, GROUPS).reason == "no patient has a value"
    values[:20] = GENERATOR.normal(size=20)
    assert numeric_difference(values, GROUPS).reason == "only 1 cluster has patients with a value"
    constant = numeric_difference(np.full(60, 3.5), GROUPS)
    assert constant.reason == "constant: 3.5 in all 60 patients with a value"
    assert np.isnan([constant.p, constant.effect, constant.statistic]).all()
    assert categorical_difference(np.full(60, "no"), GROUPS).reason == "constant: 'no' in all 60 patients with a value"
    assert categorical_difference(np.full(60, ""), GROUPS).reason == "no patient has a value"


def test_rank_biserial() -> None:
    """Of the 2 x 3 pairs of {2, 5} and {1, 2, 3}, 1 + 3 are greater, 1 smaller, 1 tied: 3 / 6."""
    values, inside = np.array([2.0, 5, 1, 2, 3, np.nan]), np.array([True, True, False, False, False, True])
    assert rank_biserial(values, inside) == pytest.approx(3 / 6)
    assert rank_biserial(values, ~inside) == pytest.approx(-3 / 6)
    assert rank_biserial(np.arange(4.0), np.array([False, False, True, True])) == 1
    assert np.isnan(rank_biserial(np.array([1.0, np.nan]), np.array([True, False])))
