"""Real processes: what a user sees of several, in success and failure, and that none is left behind."""

from __future__ import annotations

import logging
import os
import signal
import time
from pathlib import Path

import crew_toy
import pytest
from crews import kill, lives, outcome, start, wait_until, workers

from medcl.study.errors import BadInput, MedclError, RunFailed
from medcl.training.launching.failure import WorkerFault
from medcl.training.launching.launch import launch
from medcl.training.launching.membership import GUARD

pytestmark = [pytest.mark.ddp, pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes need Linux")]

SECONDS = 28.0
"""Less than the 30 s that torch's launcher gives a worker that does not end, and enough for a busy machine."""


def test_two_processes_form_a_group_and_the_first_ones_result_comes_back(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    log = logging.getLogger("medcl")
    monkeypatch.setattr(log, "handlers", [logging.NullHandler()])
    monkeypatch.setattr(log, "level", logging.INFO)
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)]
    result = launch(crew_toy.greet, "hello", processes=2)
    threads = max(1, len(os.sched_getaffinity(0)) // 2)
    assert result == {"word": "hello", "world": 2, "sum": 1.0, "rank": 0, "threads": [threads, threads]}
    printed = capfd.readouterr().err
    assert "hello from 0" in printed
    assert "hello from 1" not in printed
    assert GUARD not in os.environ
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)] == before


@pytest.mark.parametrize(
    ("how", "kind", "problems"),
    [
        ("all", BadInput, ["one problem", "another problem of rank "]),
        ("main", BadInput, ["rank 0 dislikes it"]),
        ("fault", WorkerFault, ["Process 1 failed with KeyError: 'gfr'", "This is a fault of medcl: "]),
        ("kill", RunFailed, ["Process 1 (pid "]),
        ("stuck-kill", RunFailed, ["Process 1 (pid "]),
    ],
)
def test_the_first_failure_is_the_only_one_told_and_ends_all(
    how: str, kind: type[MedclError], problems: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    started = time.monotonic()
    with pytest.raises(kind) as caught:
        launch(crew_toy.fail, how, processes=2)
    assert time.monotonic() - started < SECONDS
    assert type(caught.value) is kind
    assert len(caught.value.problems) == len(problems)
    for problem, start_of in zip(caught.value.problems, problems, strict=True):
        assert problem.startswith(start_of)
    if "kill" in how:
        assert "was ended from outside by SIGKILL. The system does that when memory runs out." in str(caught.value)
    else:
        assert any("Traceback" in note for note in caught.value.__notes__)  # what --debug shows
    assert "Traceback" not in capfd.readouterr().err


def test_exit_status_and_message_of_the_program_are_those_of_the_first_failure() -> None:
    assert outcome(start("launch", "fail", "run")) == (1, "", "Error: the disk of rank 1 is full\n")


@pytest.mark.parametrize(("signum", "words"), [(signal.SIGTERM, "SIGTERM"), (signal.SIGINT, "Ctrl-C")])
def test_a_signal_to_the_parent_lets_all_save_and_is_told_once(
    signum: signal.Signals, words: str, tmp_path: Path
) -> None:
    parent = start("launch", "wait_to_be_stopped", str(tmp_path))
    ranks = workers(tmp_path, 2)
    parent.send_signal(signum)
    if signum == signal.SIGINT:  # a terminal sends it to all of them
        for pid in ranks:
            kill(pid, signum)
    code, output, errors = outcome(parent)
    assert (code, output) == (1, "")
    assert errors.count("Stopping after this step; Ctrl-C") == 1
    assert errors.splitlines()[-1] == f"Error: Stopped by {words}. The same command with --resume goes on."
    assert (tmp_path / "saved-0").read_text() == (tmp_path / "saved-1").read_text()  # at the same step


def test_a_signal_before_the_workers_began_is_not_lost() -> None:
    parent = start("launch", "sleep", "200")
    wait_until(lambda: len(children(parent.pid)) == 3)  # two are importing torch, one is Python's resource tracker
    for pid in (parent.pid, *children(parent.pid)):  # as a scheduler does
        kill(pid, signal.SIGUSR1)
    code, _, errors = outcome(parent)
    assert code == 1
    assert errors.splitlines()[-1].startswith("Error: Stopped by SIGUSR1 while no step was being trained.")
    assert "resource_tracker" not in errors


def test_a_second_ctrl_c_ends_all_at_once(tmp_path: Path) -> None:
    parent = start("launch", "ignore_signals", str(tmp_path))
    wait_until((tmp_path / "ready").exists)
    pids = children(parent.pid)
    parent.send_signal(signal.SIGINT)
    time.sleep(0.5)
    parent.send_signal(signal.SIGINT)
    assert outcome(parent, SECONDS)[0] == 130
    wait_until(lambda: not any(lives(pid) for pid in pids), 10)


def test_workers_die_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    parent = start("launch", "wait_to_be_stopped", str(tmp_path))
    ranks = workers(tmp_path, 2)
    parent.kill()
    outcome(parent)
    wait_until(lambda: not any(lives(pid) for pid in ranks), 10)
    assert not list(tmp_path.glob("saved-*"))


def test_a_script_without_a_guarded_main_is_told_so_and_does_not_recurse(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\nfrom pathlib import Path\nimport crew_toy\nfrom medcl.study.errors import MedclError\n"
        "from medcl.workflows.processes import in_processes\n"
        "from medcl.workflows.training_options import TrainingOptions\n"
        f"with Path({str(tmp_path / 'imports')!r}).open('a') as file:\n    file.write('x')\n"
        "try:\n    in_processes(crew_toy.sleep, TrainingOptions(gpus=2, device='cpu'))\n"
        "except MedclError as error:\n    print(error, file=sys.stderr)\n    sys.exit(error.exit_status)\n"
    )
    code, _, errors = outcome(start(program=script))
    assert code == 1
    assert "below `if __name__ == '__main__':`" in errors
    assert len(errors.splitlines()) == 1
    assert len((tmp_path / "imports").read_text()) <= 3


def children(pid: int) -> list[int]:
    """The processes that a process started, from any of its threads."""
    found = [file.read_text().split() for file in Path(f"/proc/{pid}/task").glob("*/children")]
    return [int(child) for some in found for child in some]
