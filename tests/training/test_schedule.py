from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcl.training.schedule import learning_rate_factor


@pytest.mark.parametrize(
    ("epoch", "batch", "factor"),
    [(0, 0, 0.02), (0, 9, 0.2), (4, 9, 1.0), (5, 0, 1.0), (32, 5, 0.5), (59, 9, (3.14159265 * 0.1 / 55) ** 2 / 4)],
)
def test_paper_schedule_of_sixty_epochs_with_five_of_warmup(epoch: int, batch: int, factor: float) -> None:
    assert learning_rate_factor(epoch, batch, 10, epochs=60, warmup=5) == pytest.approx(factor, rel=1e-3)


def test_without_warmup_the_first_step_has_the_peak() -> None:
    assert learning_rate_factor(0, 0, 3, epochs=2, warmup=0) == 1


def test_a_constant_rate_stays_after_the_warmup() -> None:
    factors = [learning_rate_factor(e, 0, 1, epochs=6, warmup=2, schedule="constant") for e in range(6)]
    assert factors == [0.5, 1, 1, 1, 1, 1]


@given(
    batches=st.lists(st.integers(1, 7), min_size=1, max_size=12),
    warmup_share=st.floats(0, 0.95),
)
def test_factor_rises_then_falls_and_stays_in_bounds(batches: list[int], warmup_share: float) -> None:
    epochs = len(batches)
    warmup = warmup_share * epochs
    places = [(epoch, batch) for epoch in range(epochs) for batch in range(batches[epoch])]
    factors = [learning_rate_factor(e, b, batches[e], epochs=epochs, warmup=warmup) for e, b in places]
    assert all(0 < factor <= 1 for factor in factors)
    rising = [f for (e, b), f in zip(places, factors, strict=True) if e + b / batches[e] < warmup]
    falling = factors[len(rising) :]
    assert rising == sorted(rising)
    assert falling == sorted(falling, reverse=True)
