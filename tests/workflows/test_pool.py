"""Many jobs in several processes."""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator
from operator import neg
from pathlib import Path

import pytest

from medcl.imaging.nifti import read_nifti
from medcl.study.errors import BadInput, RunFailed
from medcl.workflows.pool import behind, run_jobs, usable_cores


@pytest.mark.parametrize("workers", [1, 2])
def test_every_job_has_its_result(workers: int) -> None:
    assert sorted(run_jobs(neg, range(30), workers)) == [(n, -n) for n in range(30)]


def test_no_job_and_the_default() -> None:
    assert list(run_jobs(neg, [])) == []
    assert usable_cores() >= 1


@pytest.mark.parametrize("workers", [1, 2])
def test_errors_are_passed_on(workers: int) -> None:
    with pytest.raises(ValueError, match=r"math domain|nonnegative"):
        list(run_jobs(math.sqrt, [1, 4, -1, 9], workers))


def test_messages_of_our_own_errors_survive_the_way_between_processes() -> None:
    with pytest.raises(BadInput, match=r"nowhere\.nii: no such file") as caught:
        list(run_jobs(read_nifti, ["nowhere.nii", "nowhere.nii"], 2))  # type: ignore[arg-type, list-item]
    assert len(caught.value.problems) == 1


def test_a_process_that_is_killed_is_told() -> None:
    with pytest.raises(RunFailed, match=r"a worker process was ended from outside.*--workers"):
        list(run_jobs(signal.raise_signal, [signal.SIGKILL, signal.SIGKILL], 2))


def test_what_is_done_does_not_wait_for_jobs_that_take_long_to_make(tmp_path: Path) -> None:
    class Slow:
        made = 0

        def __len__(self) -> int:
            return 8

        def __iter__(self) -> Iterator[Path]:
            for number in range(8):
                while number and not (tmp_path / "0").is_dir():
                    time.sleep(0.01)
                if number:
                    taken.wait(3.0)  # as long as it takes on a busy machine to hand the first result over
                self.made += 1
                yield tmp_path / str(number)

    taken = threading.Event()
    slow = Slow()
    results = run_jobs(os.mkdir, slow, 2)
    assert next(results)[0] == tmp_path / "0"
    taken.set()
    assert slow.made < 8, "all would be made before with a list's queue"
    assert len(list(results)) == 7


def test_jobs_run_in_other_processes_only_when_asked() -> None:
    assert {result for _, result in run_jobs(_pid, [0, 1], 1)} == {os.getpid()}
    asked = "__import__('os').getpid()"  # a process group is no answer: pytest may lead one that its workers are in
    assert os.getpid() not in {result for _, result in run_jobs(eval, [asked, asked], 2)}


@pytest.mark.parametrize("threads", [1, 3])
def test_items_are_yielded_in_order_and_only_when_finished(threads: int) -> None:
    finished = []

    def finish(item: int) -> None:
        time.sleep(0.002 * (item % 3))
        finished.append(item)

    for item in behind(finish, range(20), threads):
        assert item in finished
    assert sorted(finished) == list(range(20))
    assert list(behind(finish, [], threads)) == []


def test_finishing_and_making_go_on_side_by_side_within_bounds() -> None:
    """Nothing is finished until five are made; with two threads no more than five may wait."""
    made: list[int] = []
    five = threading.Event()

    def make() -> Iterator[int]:
        for number in range(9):
            made.append(number)
            if len(made) == 5:
                five.set()
            yield number

    assert next(behind(lambda _: five.wait(10), make(), 2)) == 0
    assert len(made) == 5


def test_an_item_that_cannot_be_finished_is_not_yielded() -> None:
    seen = _until_error(behind(lambda item: 1 / item, [2, 1, 0, 3], 2), ZeroDivisionError)
    assert seen[:2] == [2, 1]
    assert 0 not in seen


def test_what_was_made_before_an_error_is_finished_and_yielded() -> None:
    def make() -> Iterator[int]:
        yield from range(3)
        raise BadInput("the next one is bad")

    assert _until_error(behind(lambda _: time.sleep(0.01), make(), 2), BadInput) == [0, 1, 2]


def _until_error(items: Iterator[int], error: type[Exception]) -> list[int]:
    seen: list[int] = []
    with pytest.raises(error):
        deque(map(seen.append, items), maxlen=0)
    return seen


def _pid(number: int) -> int:
    return os.getpid()
