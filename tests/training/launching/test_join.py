"""Processes that others started (torchrun, SLURM) find each other, and say who is missing."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest
from crews import free_port, kill, outcome, start, workers

pytestmark = [pytest.mark.ddp, pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes need Linux")]

SECONDS = 30.0


def step(rank: int, world: int, port: int | str) -> dict[str, str]:
    """What SLURM tells a task of a step on one machine; MASTER_PORT only so that tests do not meet."""
    return {
        "SLURM_JOB_ID": "4711",
        "SLURM_STEP_ID": "0",
        "SLURM_NTASKS": str(world),
        "SLURM_STEP_NUM_TASKS": str(world),
        "SLURM_STEP_TASKS_PER_NODE": str(world),
        "SLURM_STEP_NODELIST": "localhost",
        "SLURM_NODEID": "0",
        "SLURM_PROCID": str(rank),
        "SLURM_LOCALID": str(rank),
        "MASTER_PORT": str(port),
    }


def tasks(*words: str, world: int = 2) -> list[subprocess.Popen[str]]:
    """Start every task of a simulated SLURM step."""
    port = free_port()
    return [start("join", *words, variables=step(rank, world, port)) for rank in range(world)]


def test_tasks_of_a_slurm_step_form_a_group() -> None:
    results = [json.loads(output) for code, output, _ in map(outcome, tasks("greet", "hello")) if code == 0]
    assert [(result["rank"], result["world"], result["sum"]) for result in results] == [(0, 2, 1.0), (1, 2, 1.0)]


@pytest.mark.parametrize(
    ("how", "codes", "told"),
    [
        ("main", (2, 1), ("Error: rank 0 dislikes it\n", "")),
        ("run", (1, 1), ("", "Error: the disk of rank 1 is full\n")),
    ],
)
def test_only_the_task_that_failed_first_tells(how: str, codes: tuple[int, int], told: tuple[str, str]) -> None:
    started = time.monotonic()
    done = [outcome(task) for task in tasks("fail", how)]
    assert time.monotonic() - started < SECONDS
    assert tuple(code for code, _, _ in done) == codes
    assert tuple(errors for _, _, errors in done) == told


def test_a_task_that_is_killed_ends_the_other_with_a_word(tmp_path: Path) -> None:
    both = tasks("wait_to_be_stopped", str(tmp_path))
    kill(workers(tmp_path, 2)[1])
    code, _, errors = outcome(both[0], SECONDS)
    outcome(both[1])
    assert code == 1
    assert errors.startswith("Error: Process 0 lost the connection to another one, which ended without a word")
    assert len(errors.splitlines()) == 1


def test_a_task_that_is_stuck_ends_when_another_failed() -> None:
    both = tasks("fail", "stuck")
    started = time.monotonic()
    assert outcome(both[1])[2] == "Error: the disk of rank 1 is full\n"
    assert outcome(both[0], SECONDS)[:2] == (1, "")
    assert time.monotonic() - started < SECONDS


def test_a_task_that_never_comes_is_told_in_time() -> None:
    code, _, errors = outcome(start("join", "greet", "hello", "3", variables=step(0, 2, free_port())), SECONDS)
    assert code == 1
    assert errors.startswith("Error: Only 1 of 2 processes came within 3 s (--node-timeout): this is process 0.")


def test_a_first_task_that_never_comes_is_told_in_time() -> None:
    code, _, errors = outcome(start("join", "greet", "hello", "3", variables=step(1, 2, free_port())), SECONDS)
    assert code == 1
    assert "nobody answered there within 3 s" in errors
