from __future__ import annotations

import time

import pytest
import torch

from medcl.training.clock import PHASES, StepClock, shares

CPU = torch.device("cpu")


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    times = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: times[0])
    return times


def step(clock: StepClock, now: list[float], waited: float) -> None:
    """A step of 1 s for the batch, 2 s forward, 3 s backward, 0.5 s communication and 1.5 s optimizer."""
    now[0] += 1
    clock.fetched(waited)
    for phase, seconds in (("forward", 2), ("backward", 3), ("communication", 0.5), ("optimizer", 1.5)):
        now[0] += seconds
        clock.mark(phase)


def test_laps_go_to_their_phases_and_the_batch_is_split_by_waiting(now: list[float]) -> None:
    clock = StepClock(CPU)
    clock.restart(waited=10.0)
    step(clock, now, waited=10.25)
    assert list(clock.epoch.values()) == [0.25, 0.75, 2, 3, 0.5, 1.5]
    step(clock, now, waited=99.0)  # a source that counts more than the lap cannot make it longer
    assert list(clock.epoch.values()) == [1.25, 0.75, 4, 6, 1, 3]


def test_time_between_restart_and_the_last_lap_is_not_counted(now: list[float]) -> None:
    clock = StepClock(CPU)
    clock.restart(0)
    step(clock, now, 0)
    now[0] += 100  # a validation
    clock.restart(0)
    step(clock, now, 0)
    assert sum(clock.end_epoch().values()) == 16
    assert sum(clock.epoch.values()) == 0
    assert sum(clock.run.values()) == 16


def test_state_continues_epoch_and_run(now: list[float]) -> None:
    clock, other = StepClock(CPU), StepClock(CPU)
    clock.restart(0)
    step(clock, now, 0)
    other.load_state_dict(clock.state_dict())
    assert (other.epoch, other.run) == (clock.epoch, clock.run)
    assert other.epoch is not clock.epoch


def test_shares_sum_to_one_or_are_zero() -> None:
    assert shares(dict(zip(PHASES, (1.0, 0.0, 2.0, 1.0, 0.0, 0.0), strict=True))) == dict(
        zip(PHASES, (0.25, 0, 0.5, 0.25, 0, 0), strict=True)
    )
    assert set(shares(dict.fromkeys(PHASES, 0.0)).values()) == {0.0}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_events_time_the_device() -> None:
    device = torch.device("cuda")
    clock = StepClock(device)
    data = torch.randn(4096, 4096, device=device)
    clock.restart(0)
    clock.fetched(0)
    for _ in range(20):
        data = data @ data.softmax(0)
    clock.mark("forward")
    assert clock.epoch["forward"] == 0, "nothing is read before settling"
    clock.settle()
    assert clock.epoch["forward"] > 0
