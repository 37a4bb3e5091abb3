"""A run killed with SIGKILL and resumed ends bit for bit like the unbroken one; a spoiled resume does not.

Real processes, from a fork server that has torch loaded.
"""

from __future__ import annotations

import csv
import multiprocessing
import os
import random
import signal
import sys
import time
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
import torch
from training_toy import BATCHES, EPOCHS, work

from medcl.training.checkpoint import BEST, CHECKPOINT_FORMAT, FOLDER, LAST, PREVIOUS, content_checksum, read_checkpoint
from medcl.training.metrics import FILE, TIME_COLUMNS

pytestmark = pytest.mark.skipif(os.name == "nt", reason="SIGKILL and fork servers are POSIX")


@pytest.fixture(scope="module")
def processes() -> Any:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["training_toy", "torch._dynamo"])  # optimizers import the latter, in a second
    with pytest.MonkeyPatch.context() as patch:  # Python 3.11's server does not take over sys.path
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
        forkserver.ensure_running()
    return context


@pytest.fixture(scope="module")
def unbroken(processes: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unbroken")
    assert finish(start(processes, folder)) == 0
    return folder


def start(processes: Any, folder: Path, **how: Any) -> BaseProcess:
    arguments = {"resume": False, "kill": None, "broken": None, "seconds": 0.0, **how}
    process = processes.Process(target=work, args=(str(folder), *arguments.values(), str(folder / "mark")))
    process.start()
    return process


def finish(process: BaseProcess) -> int | None:
    process.join(120)
    return process.exitcode


def assert_same_end(one: Path, other: Path) -> None:
    """Weights, teachers, optimizers, random states, place, best weights and metrics are equal bit for bit."""
    for name in (LAST, BEST):
        first, second = (untimed(read_checkpoint(folder / FOLDER / name)) for folder in (one, other))
        differing = [key for key in first if content_checksum(first[key]) != content_checksum(second[key])]
        assert not differing, f"{name} differs in {differing}"
    assert untimed_rows(one) == untimed_rows(other)


def untimed(content: dict[str, Any]) -> dict[str, Any]:
    content = dict(content)
    if "ranks" in content:
        content["ranks"] = [
            {**own, "runner": {name: value for name, value in own["runner"].items() if name != "clock"}}
            for own in content["ranks"]
        ]
        content |= {f"runner.{name}": value for name, value in content.pop("runner").items()}
        content["place"] = {k: v for k, v in content["place"].items() if k != "validation_seconds"}
    return content


def untimed_rows(folder: Path) -> list[dict[str, str]]:
    with (folder / FILE).open(newline="") as file:
        return [{k: v for k, v in row.items() if k not in TIME_COLUMNS} for row in csv.DictReader(file)]


def test_unbroken_run_is_repeatable_and_complete(processes: Any, unbroken: Path, tmp_path: Path) -> None:
    assert finish(start(processes, tmp_path)) == 0
    assert_same_end(unbroken, tmp_path)
    assert len(untimed_rows(unbroken)) == 2 * EPOCHS
    assert read_checkpoint(unbroken / FOLDER / LAST)["place"]["step"] == EPOCHS * BATCHES


# 20 steps with a checkpoint every 3 and at each epoch's end (steps 5, 10, 15, 20)
KILLS = [
    ("step", 1),  # before any checkpoint
    ("step", 8),  # in the middle of an epoch, between two checkpoints
    ("step", 15),  # before the validation
    ("half", 4),  # while a checkpoint is being written
    ("next.pt", 3),  # whole, but not yet renamed
    ("previous.pt", 2),  # before the last checkpoint steps back
    ("last.pt", 3),  # after it did: there is no last.pt
    ("metrics.csv", 2),  # validated, not yet written down
    ("best.pt", 2),  # written down, no checkpoint yet
]


@pytest.mark.parametrize("kill", KILLS, ids=lambda kill: f"{kill[0]}-{kill[1]}")
def test_killed_and_resumed_run_equals_the_unbroken_one(
    processes: Any, unbroken: Path, tmp_path: Path, kill: tuple[str, int]
) -> None:
    assert finish(start(processes, tmp_path, kill=kill)) == -signal.SIGKILL
    assert finish(start(processes, tmp_path, resume=True)) == 0
    assert_same_end(unbroken, tmp_path)
    leftovers = [file.name for file in (tmp_path / FOLDER).iterdir() if file.name not in (LAST, PREVIOUS, BEST)]
    assert not leftovers


def test_run_killed_at_random_moments_equals_the_unbroken_one(processes: Any, unbroken: Path, tmp_path: Path) -> None:
    kills = 0
    ended: int | None = None
    for attempt in range(8):
        process = start(processes, tmp_path, resume=attempt > 0, seconds=0.01)
        mark = tmp_path / "mark"
        while not mark.exists() and process.is_alive():
            time.sleep(0.005)
        if attempt < 5:  # the last attempts may run to the end
            time.sleep(random.uniform(0, 0.25))
            process.kill()
        ended = finish(process)
        mark.unlink(missing_ok=True)
        if ended == 0:
            break
        assert ended == -signal.SIGKILL
        kills += 1
    assert ended == 0
    assert kills > 0
    assert_same_end(unbroken, tmp_path)


@pytest.mark.parametrize("broken", ["randomness", "position", "optimizers", "teacher", "sums", "metrics"])
def test_spoiled_resume_is_noticed(processes: Any, unbroken: Path, tmp_path: Path, broken: str) -> None:
    """The twin: the same assertion fails for a resume that forgets one thing."""
    kill = ("best.pt", 2) if broken == "metrics" else ("step", 8)
    assert finish(start(processes, tmp_path, kill=kill)) == -signal.SIGKILL
    assert finish(start(processes, tmp_path, resume=True, broken=broken)) == 0
    with pytest.raises(AssertionError):
        assert_same_end(unbroken, tmp_path)


def test_torn_last_checkpoint_falls_back_to_the_previous_one(processes: Any, unbroken: Path, tmp_path: Path) -> None:
    assert finish(start(processes, tmp_path, kill=("step", 13))) == -signal.SIGKILL
    last = tmp_path / FOLDER / LAST
    os.truncate(last, last.stat().st_size // 2)
    assert finish(start(processes, tmp_path, resume=True)) == 0
    assert_same_end(unbroken, tmp_path)


def test_checkpoints_load_without_pickled_code(unbroken: Path) -> None:
    for name in (LAST, PREVIOUS, BEST):
        content = torch.load(unbroken / FOLDER / name, weights_only=True)
        assert content["format"] == CHECKPOINT_FORMAT
