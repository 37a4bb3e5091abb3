from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from medcl.evaluation import stability as module
from medcl.evaluation.stability import Stability, stability
from medcl.study.errors import BadInput

GENERATOR = np.random.default_rng(0)
TRUTH = np.repeat(np.arange(3), 40)
BLOBS = np.eye(3)[TRUTH] * 20 + GENERATOR.normal(size=(120, 3))
NOISE = GENERATOR.uniform(size=(120, 30))
OWN = np.arange(120).astype(str)
QUICK = {"seeds": 4, "draws": 12, "starts": 2}


def test_well_separated_clusters_are_stable() -> None:
    found = stability(BLOBS, OWN, 3, reference=TRUTH, **QUICK)
    assert found.seeds.mean == found.seeds.minimum == 1
    assert found.bootstrap.values == (1.0,) * 12
    assert (found.bootstrap.low, found.bootstrap.high) == (1, 1)
    assert len(found.seeds.values) == 4 * 3 / 2
    assert (found.rows, found.patients, found.left_out, found.clusters) == (120, 120, 0, 3)
    assert "12 draws of 120 patients; all 120 rows" in found.note


def test_noise_is_not() -> None:
    found = stability(NOISE, OWN, 3, **QUICK)
    assert found.bootstrap.mean < 0.3
    assert found.seeds.minimum < found.seeds.mean < 0.9
    assert found.bootstrap.low < found.bootstrap.mean < found.bootstrap.high
    assert found.bootstrap.low == pytest.approx(np.quantile(found.bootstrap.values, 0.025))


def test_the_reference_counts() -> None:
    wrong = stability(BLOBS, OWN, 3, reference=np.arange(120) % 3, **QUICK)
    assert abs(wrong.bootstrap.mean) < 0.1
    assert wrong.seeds.mean == 1
    assert stability(BLOBS, OWN, 3, **QUICK).bootstrap.mean == 1


def test_settings_and_the_seed_draw_it() -> None:
    first = stability(NOISE, OWN, 3, **QUICK)
    assert stability(NOISE, OWN, 3, **QUICK) == first
    assert stability(NOISE, OWN, 3, **QUICK, seed=9).bootstrap.values != first.bootstrap.values
    more = stability(NOISE, OWN, 3, seeds=4, draws=12, starts=12)
    assert more.seeds.mean != first.seeds.mean


Run = Callable[[np.ndarray, np.ndarray], Stability]


def assert_patients_are_drawn_whole(run: Run) -> None:
    """A third cluster of a single patient is lost whenever the patient is not drawn."""
    people = np.where(TRUTH == 2, "last", OWN)
    assert run(BLOBS, people).bootstrap.low < 0.9


def test_patients_are_drawn_not_rows() -> None:
    assert_patients_are_drawn_whole(lambda h, people: stability(h, people, 3, reference=TRUTH, **QUICK))
    with pytest.raises(AssertionError):
        assert_patients_are_drawn_whole(lambda h, people: stability(h, OWN, 3, reference=TRUTH, **QUICK))


def test_a_row_counts_as_often_as_it_is_drawn() -> None:
    """Weights give the centres that repeated rows give."""
    times = np.random.default_rng(3).integers(0, 4, 120)
    weighted = module._kmeans(BLOBS, times, 3, 2, 0)
    repeated = module._kmeans(np.repeat(BLOBS, times, axis=0), None, 3, 2, 0)
    assert module._rand(weighted[np.repeat(np.arange(120), times)], repeated) == 1


def test_of_many_rows_a_fixed_part_is_looked_at_and_told() -> None:
    people = np.repeat(np.arange(60), 2).astype(str)
    found = stability(BLOBS, people, 3, most_rows=40, **QUICK)
    assert (found.rows, found.patients) == (40, 20)
    assert "a fixed part of 40 of 120 rows" in found.note
    assert stability(BLOBS, people, 3, most_rows=40, **QUICK) == found


def test_draws_with_fewer_rows_than_clusters_are_counted() -> None:
    rows = np.arange(4.0)[:, None] * 10
    found = stability(rows, np.array(["a", "b", "c", "d"]), 3, seeds=2, draws=30, starts=2)
    assert found.left_out == 30 - len(found.bootstrap.values)
    assert 0 < found.left_out < 30


def test_what_cannot_be_clustered_is_refused() -> None:
    with pytest.raises(BadInput, match="120 rows of features but 119 patients"):
        stability(BLOBS, OWN[1:], 3)
    with pytest.raises(BadInput, match="but 5 reference clusters"):
        stability(BLOBS, OWN, 3, reference=TRUTH[:5])
    with pytest.raises(BadInput, match="ask for 2 to 120 clusters"):
        stability(BLOBS, OWN, 1)
    with pytest.raises(BadInput, match="ask for 2 to 120 clusters"):
        stability(BLOBS, OWN, 121)
    with pytest.raises(BadInput, match="at least 2 patients, found 1"):
        stability(BLOBS, np.repeat("P", 120), 3)
    with pytest.raises(BadInput, match="at least 2 seeds"):
        stability(BLOBS, OWN, 3, seeds=1)
    with pytest.raises(BadInput, match="no draw of 2 patients"):
        stability(BLOBS[:3], np.array(["a", "b", "b"]), 3, seeds=2, draws=0)
