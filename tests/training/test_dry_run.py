from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from training_toy import BATCHES, CPU, IMAGES, ToyMethod, ToySource, run, settings

from medcl.study.errors import BadInput
from medcl.training.checkpoint import content_bytes, content_checksum, read_checkpoint
from medcl.training.dry_run import Forecast, dry_run


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
