from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from training_toy import BATCHES, CPU, IMAGES, ToyMethod, ToySource, run, settings

from medcl.study.errors import BadInput, RunFailed
from medcl.training import dry_run as module
from medcl.training.checkpoint import content_bytes, content_checksum, read_checkpoint
from medcl.training.dry_run import Forecast, dry_run
from medcl.training.host_memory import Memory


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    method = ToyMethod()
    weights, state = content_checksum(dict(method.state_dict())), torch.get_rng_state()
    dry_run(method, ToySource(), settings(), device=CPU)
    assert content_checksum(dict(method.state_dict())) == weights
    assert torch.equal(torch.get_rng_state(), state)
    assert not list(tmp_path.iterdir())


def test_two_steps_and_one_validation_batch_are_done() -> None:
    source, method = ToySource(), ToyMethod()
    steps: list[int] = []
    after: Any = method.after_step
    method.after_step = lambda epoch, step: (steps.append(step), after(epoch, step))
    forecast = dry_run(method, source, settings(epochs=3), device=CPU)
    assert steps == [1, 2]
    assert [training for _, _, training in source.asked] == [True, True, False]
    assert (forecast.steps, forecast.images, forecast.epochs) == (BATCHES, IMAGES, 3)


def test_forecast_comes_near_to_the_run(tmp_path: Path) -> None:
    source = ToySource(seconds=0.1)
    forecast = dry_run(ToyMethod(), source, settings(epochs=2), device=CPU)
    result = run(tmp_path, source=ToySource(seconds=0.1), epochs=2)
    taken = sum(result.seconds.values()) + result.validation_seconds
    assert taken / 3 < forecast.seconds < 3 * taken
    assert forecast.waiting_share > 0.2
    assert forecast.checkpoint_bytes == pytest.approx(content_bytes(read_checkpoint(result.last)["runner"]), rel=0.1)


def test_forecast_in_words() -> None:
    forecast = Forecast(2.0, 96, 0.03, 208, 60, 12.0, 3 << 30, 400 << 20)
    assert forecast.seconds == 60 * (208 * 2 + 12)
    assert forecast.sentences() == [
        "A step of 96 images takes 2.0 s (3% of it waiting for data).",
        "60 epochs of 208 steps: about 7 h 8 min, of it 12 min 0 s validation.",
        "Memory at the peak: 3.0 GiB. A checkpoint takes 400.0 MiB.",
    ]


def test_no_batches_is_bad_input() -> None:
    source: Any = ToySource()
    source.epoch = lambda epoch: []
    with pytest.raises(BadInput, match="Epoch 1 has no batches"):
        dry_run(ToyMethod(), source, settings(), device=CPU)


def test_memory_is_that_of_a_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the peak there are the optimizer's numbers, and the batches that are read ahead."""
    asked: list[int] = []
    states: list[int] = []
    at_peak: list[tuple[int, int]] = []

    class Counts(ToySource):
        def batches(self, plans: Any, epoch: int, start: int = 0, *, training: bool = True) -> Any:
            asked.append(len(plans) - start)
            return super().batches(plans, epoch, start, training=training)

    step = torch.optim.SGD.step

    def counting(self: Any, *arguments: Any) -> Any:
        done = step(self, *arguments)
        states.append(len(self.state))
        return done

    def peak(device: torch.device) -> int:
        at_peak.append((asked[0], min(states)))
        return 1 << 30

    monkeypatch.setattr(torch.optim.SGD, "step", counting)
    monkeypatch.setattr(module, "peak_memory", peak)
    monkeypatch.setattr(module, "device_memory", lambda device: Memory(1 << 31, 1 << 33))
    forecast = dry_run(ToyMethod(), Counts(), settings(), device=CPU)
    ((ahead, momenta),) = at_peak
    assert ahead == BATCHES, "a training reads ahead into the epoch's other batches"
    assert momenta > 0
    assert "Memory at the peak: 1.0 GiB of 8.0 GiB." in forecast.sentences()[2]


def test_what_goes_wrong_is_told_as_in_a_training() -> None:
    class Hungry(ToyMethod):
        def steps(self, batch: Any) -> Any:
            torch.empty(1 << 60)
            yield from ()

    class Explodes(ToyMethod):
        def steps(self, batch: Any) -> Any:
            for step in super().steps(batch):
                yield type(step)(step.optimizer, step.loss * float("inf"))

    with pytest.raises(RunFailed, match="Out of memory at the dry run") as error:
        dry_run(Hungry(), ToySource(), settings(), device=CPU, options={"micro_batch": 4})
    assert "--micro-batch below 4" in str(error.value)
    with pytest.raises(RunFailed, match="which is not finite") as broken:
        dry_run(Explodes(), ToySource(), settings(), device=CPU)
    assert type(broken.value) is RunFailed


def test_what_auto_comes_to_ends_the_forecast() -> None:
    forecast = Forecast(2.0, 96, 0.03, 208, 60, 12.0, None, 400 << 20, None, "--micro-batch auto: all.")
    assert forecast.sentences()[2:] == [
        "Memory at the peak: unknown on this system. A checkpoint takes 400.0 MiB.",
        "--micro-batch auto: all.",
    ]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpus_peak_is_that_of_the_dry_run_alone() -> None:
    device = torch.device("cuda")
    del_me = torch.empty(1 << 30, dtype=torch.uint8, device=device)
    del del_me

    class OnGpu(ToySource):
        def batches(self, *arguments: Any, **named: Any) -> Any:
            for batch in super().batches(*arguments, **named):
                batch.volumes, batch.aims = batch.volumes.to(device), batch.aims.to(device)
                yield batch

    forecast = dry_run(ToyMethod(), OnGpu(), settings(), device=device)
    assert forecast.peak_memory is not None
    assert forecast.peak_memory < 1 << 30
