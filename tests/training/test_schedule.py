from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcl.training.schedule import learning_rate_factor
from medcl.training.settings import SCHEDULES


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


@pytest.mark.parametrize(("epoch", "rate"), [(0, 0.01), (5, 0.13), (10, 0.25), (50, 0.16736), (55, 0.15), (100, 0.05)])
def test_rates_from_a_start_to_an_end_have_the_known_answers(epoch: int, rate: float) -> None:
    """Learning rate 0.25 from 0.01, in 10 of 100 epochs, to 0.05."""
    shares = {"start": 0.01 / 0.25, "end": 0.05 / 0.25}
    factor = learning_rate_factor(epoch, 0, 7, epochs=100, warmup=10, **shares)
    assert 0.25 * factor == pytest.approx(rate, abs=5e-6)


def test_a_start_is_the_first_steps_and_the_peak_comes_after_the_warmup() -> None:
    factors = [learning_rate_factor(e, b, 2, epochs=4, warmup=2, start=0.2) for e in range(3) for b in range(2)]
    assert factors[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert learning_rate_factor(0, 0, 5, epochs=4, warmup=0, start=0.2) == 1


def test_a_constant_rate_has_no_end() -> None:
    assert learning_rate_factor(3, 0, 1, epochs=4, warmup=0, schedule="constant", end=0.5) == 1


@pytest.mark.parametrize(("epoch", "factor"), [(0, 1), (198, 1), (200, 0.99502), (300, 0.49751), (399, 0.00498)])
@pytest.mark.parametrize("batch", [0, 6])
def test_the_line_of_two_hundred_and_two_hundred_epochs_has_the_known_answers(
    epoch: int, batch: int, factor: float
) -> None:
    found = learning_rate_factor(epoch, batch, 7, epochs=400, warmup=0, schedule="linear", constant=200)
    assert found == pytest.approx(factor, abs=5e-6)


def test_the_line_falls_towards_its_end_from_wherever_it_begins() -> None:
    def line(constant: float, end: float = 0.0) -> list[float]:
        run = {"epochs": 4, "warmup": 0, "schedule": "linear", "constant": constant, "end": end}
        return [learning_rate_factor(e, 0, 3, **run) for e in range(4)]

    assert line(0) == pytest.approx([0.8, 0.6, 0.4, 0.2])
    assert line(2) == pytest.approx([1, 1, 2 / 3, 1 / 3])
    assert line(4) == [1, 1, 1, 1]
    assert line(1.5) == pytest.approx([1, 6 / 7, 4 / 7, 2 / 7])
    assert line(2, end=0.5) == pytest.approx([1, 1, 5 / 6, 2 / 3])


def test_a_warmup_comes_before_the_line_and_does_not_move_it() -> None:
    run = {"epochs": 6, "warmup": 2, "schedule": "linear", "constant": 3}
    found = [learning_rate_factor(e, 0, 1, **run) for e in range(6)]
    assert found == pytest.approx([0.5, 1, 1, 0.75, 0.5, 0.25])


@given(batches=st.integers(1, 9), epochs=st.integers(1, 9), share=st.floats(0, 0.95), data=st.data())
def test_without_a_start_and_an_end_nothing_differs_bit_for_bit(
    batches: int, epochs: int, share: float, data: st.DataObject
) -> None:
    epoch, batch = data.draw(st.integers(0, epochs - 1)), data.draw(st.integers(0, batches - 1))
    warmup = share * epochs
    begin, done = epoch + batch / batches, epoch + (batch + 1) / batches
    before = 0.5 * (1 + math.cos(math.pi * (begin - warmup) / (epochs - warmup)))
    before = min(1.0, done / warmup) if begin < warmup else before
    assert learning_rate_factor(epoch, batch, batches, epochs=epochs, warmup=warmup) == before


@given(
    batches=st.lists(st.integers(1, 7), min_size=1, max_size=12),
    warmup_share=st.floats(0, 0.95),
    start=st.none() | st.floats(0.01, 1),
    end=st.floats(0, 1),
    schedule=st.sampled_from(sorted(SCHEDULES)),
    constant_share=st.floats(0, 1),
)
def test_factor_rises_then_falls_and_stays_in_bounds(
    batches: list[int], warmup_share: float, start: float | None, end: float, schedule: str, constant_share: float
) -> None:
    epochs = len(batches)
    warmup = warmup_share * epochs
    places = [(epoch, batch) for epoch in range(epochs) for batch in range(batches[epoch])]
    run = {"epochs": epochs, "warmup": warmup, "start": start, "end": end}
    run |= {"schedule": schedule, "constant": constant_share * epochs}
    factors = [learning_rate_factor(e, b, batches[e], **run) for e, b in places]
    assert all(0 < factor <= 1 for factor in factors)
    rising = [f for (e, b), f in zip(places, factors, strict=True) if e + b / batches[e] < warmup]
    falling = factors[len(rising) :]
    assert rising == sorted(rising)
    assert falling == sorted(falling, reverse=True)
