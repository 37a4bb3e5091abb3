from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from medcl.evaluation.group_difference import numeric_difference
from medcl.evaluation.strata import strata
from medcl.evaluation.strata_table import RowVariable
from medcl.study.errors import BadInput

GENERATOR = np.random.default_rng(0)
CLUSTERS = np.repeat([0, 1, 2], 20)
OWN = np.arange(60).astype(str)
GFR = RowVariable("gfr", "mL/min/1.73m2", "numeric", 40 + 10.0 * CLUSTERS + GENERATOR.normal(0, 10, 60))
SEX = RowVariable("sex", "", "categorical", np.array(["f", "m"] * 30, dtype=object))


def test_numbers_of_each_cluster() -> None:
    (row,) = strata(CLUSTERS, OWN, [GFR], 3).rows
    values = np.asarray(GFR.values)
    for cluster, found in enumerate(row.strata):
        here = values[cluster == CLUSTERS]
        assert (found.cluster, found.known, found.missing, found.counts) == (cluster, 20, 0, ())
        assert (found.lower, found.median, found.upper) == pytest.approx(np.quantile(here, [0.25, 0.5, 0.75]))
        wins = stats.mannwhitneyu(here, values[cluster != CLUSTERS]).statistic
        assert found.effect == pytest.approx(2 * wins / (20 * 40) - 1)
    assert [found.direction for found in row.strata][::2] == ["lower", "higher"]
    assert (row.name, row.unit, row.kind, row.note) == ("gfr", "mL/min/1.73m2", "numeric", "")


def test_classes_of_each_cluster() -> None:
    words = np.array(["f", "m"] * 30, dtype=object)
    words[:3] = None
    (row,) = strata(CLUSTERS, OWN, [RowVariable("sex", "", "categorical", words)], 3).rows
    first = row.strata[0]
    assert (first.known, first.missing) == (17, 3)
    assert first.counts == (("f", 8), ("m", 9))
    assert first.percents == (("f", pytest.approx(100 * 8 / 17)), ("m", pytest.approx(100 * 9 / 17)))
    assert first.median is None
    assert first.effect is None
    assert first.direction == ""


def test_p_is_corrected_over_the_variables_that_were_tested() -> None:
    constant = RowVariable("site", "", "categorical", ["one"] * 60)
    table = strata(CLUSTERS, OWN, [SEX, GFR, constant], 3)
    p = [row.difference.p for row in table.rows]
    assert table.tests == 2
    assert table.rows[1].p_corrected == pytest.approx(2 * p[1])
    assert table.rows[0].p_corrected == pytest.approx(max(p[0], 2 * p[1]))
    assert np.isnan(table.rows[2].p_corrected)
    assert table.rows[2].difference.reason.startswith("constant: 'one'")
    close = [GFR, RowVariable("again", "", "numeric", GFR.values)]
    holm, rate = (strata(CLUSTERS, OWN, close, 3, correction=how) for how in ("holm", "benjamini-hochberg"))  # type: ignore[arg-type]
    assert holm.rows[0].p_corrected == pytest.approx(2 * rate.rows[0].p_corrected)
    assert (holm.correction, rate.correction) == ("holm", "benjamini-hochberg")


def test_missing_values_are_counted_and_left_out() -> None:
    values = np.asarray(GFR.values).copy()
    values[[0, 1, 20]] = np.nan
    (row,) = strata(CLUSTERS, OWN, [RowVariable("gfr", "", "numeric", values)], 3).rows
    assert [(found.known, found.missing) for found in row.strata] == [(18, 2), (19, 1), (20, 0)]
    expected = stats.kruskal(*(values[cluster == CLUSTERS] for cluster in range(3)), nan_policy="omit")
    assert row.difference.p == pytest.approx(expected.pvalue)
    assert row.strata[0].median == pytest.approx(np.nanmedian(values[:20]))


P = Callable[[np.ndarray, np.ndarray, np.ndarray], float]


def assert_a_patient_counts_once(p: P) -> None:
    """A patient's images are the same again: nothing is known that was not known of one image each."""
    values = np.asarray(GFR.values)
    once = p(CLUSTERS, OWN, values)
    assert p(np.repeat(CLUSTERS, 3), np.repeat(OWN, 3), np.repeat(values, 3)) == pytest.approx(once)


def test_a_patient_counts_once() -> None:
    def honest(clusters: np.ndarray, people: np.ndarray, values: np.ndarray) -> float:
        return strata(clusters, people, [RowVariable("gfr", "", "numeric", values)], 3).rows[0].difference.p

    assert_a_patient_counts_once(honest)
    with pytest.raises(AssertionError):
        assert_a_patient_counts_once(lambda clusters, _, values: numeric_difference(values, clusters).p)


def test_patients_in_several_clusters_and_empty_clusters_are_told() -> None:
    table = strata(
        np.array([0, 0, 1, 1, 2]),
        ["P1", "P2", "P2", "P3", "P3"],
        [
            RowVariable("age", "years", "numeric", [1.0, 2, 4, 5, 7]),
            RowVariable("sex", "", "categorical", list("mfmff")),
        ],
        4,
    )
    assert table.patients == (2, 1, 0, 0)
    assert table.notes == (
        "2 patients with images in several clusters: counted once, in the cluster that holds most of their images "
        "(2 tied: the lowest number).",
        "cluster 3 has no patient.",
        "cluster 4 has no patient.",
    )
    age, sex = table.rows
    assert [found.median for found in age.strata] == [2.0, 6.0, None, None]
    assert sex.note == "1 patient with equally frequent classes: the first in order."
    assert sex.strata[3].percents[0][1] != sex.strata[3].percents[0][1]


def test_what_does_not_match_is_refused() -> None:
    with pytest.raises(BadInput, match="60 clusters of rows were given, but 59 patients"):
        strata(CLUSTERS, OWN[1:], [GFR], 3)
    with pytest.raises(BadInput, match="but 2 values of short"):
        strata(CLUSTERS, OWN, [RowVariable("short", "", "numeric", [1.0, 2.0])], 3)
    with pytest.raises(BadInput, match="clusters go from 0 to 2, expected 0 to 1"):
        strata(CLUSTERS, OWN, [GFR], 2)
    with pytest.raises(BadInput, match="no row"):
        strata(np.array([], dtype=int), [], [], 2)
