"""Two processes that share every batch of the dense method end a training like one: views, cells, moving average."""

from __future__ import annotations

from dataclasses import replace

import pytest

from medcl.methods.dense import DenseOptions
from tests.methods.test_ranks import Case, Ended, rows_of, trained
from tests.training.ranks import in_ranks

pytestmark = [pytest.mark.ddp, pytest.mark.slow]

FEATURES = Case("dense", "sampled")
GEOMETRY = replace(FEATURES, dense=DenseOptions("geometric", stride=16, same_patient=False))
KINDS = [FEATURES, GEOMETRY]
TWINS = [replace(GEOMETRY, broken=what) for what in ("norms", "gathering", "views", "averaging")]


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    folder = tmp_path_factory.mktemp("dense ranks")
    one, two = folder / "one", folder / "two"
    cases = [*KINDS, *TWINS]
    (alone,) = in_ranks(1, trained, folder / "meeting of one", one, KINDS)
    return Ended(cases, one, two, alone, in_ranks(2, trained, folder / "meeting of two", two, cases))


@pytest.mark.parametrize("number", range(len(KINDS)), ids=["features", "geometry"])
def test_two_ranks_of_the_dense_method_end_like_one_process(ended: Ended, number: int) -> None:
    """With 7 images a batch the two views of one of them lie on different ranks."""
    assert ended.distance(KINDS[number], KINDS[number]) < 1e-9
    for mine, theirs in zip(rows_of(ended.one / str(number)), rows_of(ended.two / str(number)), strict=True):
        for a, b in zip(mine, theirs, strict=True):
            assert a == b or float(a) == pytest.approx(float(b), rel=1e-8), (mine, theirs)


@pytest.mark.parametrize("twin", TWINS, ids=lambda case: case.broken)
def test_ranks_of_the_dense_method_that_do_not_exchange_end_elsewhere(ended: Ended, twin: Case) -> None:
    """The twin: without one part of the exchange the same comparison fails."""
    assert ended.distance(twin, GEOMETRY) > 1e-6
