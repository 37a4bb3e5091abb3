"""What is called after each epoch: when, in which state, and that it leaves no trace in the training."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_loop import Listener, rows
from training_toy import BATCHES, CPU, EPOCHS, ToyMethod, ToySource, settings

from medcl.study.errors import BadInput, RunFailed
from medcl.training import after_epoch
from medcl.training.checkpoint import content_checksum, read_checkpoint
from medcl.training.interrupt import Interrupted
from medcl.training.loop import train
from medcl.training.metrics import TIME_COLUMNS
from medcl.training.randomness import seed_everything

Call = Callable[[ToyMethod, int], None]


def trained(folder: Path, call: Call | None = None, **how: Any) -> ToyMethod:
    """Train the toy; after each epoch `call` gets it and the number of epochs."""
    seed_everything(0)
    method = ToyMethod()
    hook = None if call is None else lambda epochs: call(method, epochs)
    given = {name: how.pop(name) for name in ("resume", "report") if name in how}
    train(method, ToySource(**how), settings(), folder, device=CPU, after_epoch=hook, **given)
    return method


def end_of(folder: Path) -> str:
    """All that a run leaves, without its times."""
    table = [[cell for name, cell in row.items() if name not in TIME_COLUMNS] for row in rows(folder)]
    contents = [read_checkpoint(folder / "checkpoints" / name) for name in ("last.pt", "best.pt")]
    contents[0]["place"].pop("validation_seconds")
    for own in contents[0]["ranks"]:
        own["runner"].pop("clock")
    return content_checksum([*contents, table])


def draws(method: ToyMethod, epochs: int) -> None:
    """Draw from every generator, and use the method as for pictures; batch norms move in training mode."""
    torch.rand(epochs), np.random.rand(2), random.random()
    method.encoder(torch.rand(4, 1, 6, 6))
    method.eval()


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("untouched")
    trained(folder)
    return end_of(folder)


def test_it_is_called_after_each_epochs_validation_with_the_epochs_done(tmp_path: Path) -> None:
    seen: list[Any] = []

    def call(method: ToyMethod, epochs: int) -> None:
        last = rows(tmp_path)[-1]
        seen.append((epochs, method.training, torch.is_grad_enabled(), last["epoch"], last["split"]))

    method = trained(tmp_path, call)
    assert seen == [(epoch, False, False, str(epoch), "val") for epoch in range(1, EPOCHS + 1)]
    assert method.training


def test_it_is_called_without_a_validation_too(tmp_path: Path) -> None:
    seen: list[int] = []
    trained(tmp_path, lambda method, epochs: seen.append(epochs), validation=False)
    assert seen == list(range(1, EPOCHS + 1))


def test_it_leaves_no_trace(tmp_path: Path, untouched: str, monkeypatch: pytest.MonkeyPatch) -> None:
    trained(tmp_path / "draws", draws)
    assert end_of(tmp_path / "draws") == untouched
    monkeypatch.setattr(after_epoch, "untouched_randomness", lambda device: nullcontext())
    trained(tmp_path / "unguarded", draws)
    assert end_of(tmp_path / "unguarded") != untouched, "the twin: generators that move"
    monkeypatch.undo()
    monkeypatch.setattr(ToyMethod, "eval", lambda self: self)
    trained(tmp_path / "training", draws)
    assert end_of(tmp_path / "training") != untouched, "the other twin: batch norms that move"


@pytest.mark.parametrize("stop", [BATCHES + 2, 2 * BATCHES])
def test_a_resumed_run_calls_for_the_epochs_that_it_ends_and_ends_alike(
    tmp_path: Path, untouched: str, stop: int
) -> None:
    seen: list[int] = []

    def call(method: ToyMethod, epochs: int) -> None:
        seen.append(epochs)
        draws(method, epochs)

    with pytest.raises(Interrupted):
        trained(tmp_path, call, report=Listener(stop, lambda: os.kill(os.getpid(), signal.SIGINT)))
    assert seen == [1]
    trained(tmp_path, call, resume=True)
    assert seen == [1, 2, 3, 4]
    assert end_of(tmp_path) == untouched


@pytest.mark.parametrize("kind", [BadInput, RunFailed])
def test_an_error_for_users_fails_the_run_and_says_after_which_epoch(
    tmp_path: Path, untouched: str, kind: type[Exception]
) -> None:
    def call(method: ToyMethod, epochs: int) -> None:
        if epochs == 2:
            raise kind("panels/epoch-0002.png: no space left on the device.")

    with pytest.raises(RunFailed) as error:
        trained(tmp_path, call)
    first, second, last = error.value.problems
    assert first == "What follows epoch 2 failed:"
    assert second == "panels/epoch-0002.png: no space left on the device."
    assert "epoch 2, after batch 4 (step 9)" in last
    assert "--resume" in last
    trained(tmp_path, resume=True)
    assert end_of(tmp_path) == untouched


def test_running_out_of_memory_in_it_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(RunFailed, match="Out of memory at the validation of epoch 1"):
        trained(tmp_path, lambda method, epochs: torch.empty(1 << 60))


def test_a_fault_of_it_is_not_hidden(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        trained(tmp_path, lambda method, epochs: 1 // 0)


def test_it_is_called_on_the_first_rank_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    for first in (True, False):
        monkeypatch.setattr(after_epoch, "is_main", lambda first=first: first)
        after_epoch.call_after_epoch(seen.append, ToyMethod(), 3, CPU)
    assert seen == [3]
