"""Many jobs in several processes."""

from __future__ import annotations

import math
import os
import signal
from operator import neg

import pytest

from medcl.imaging.nifti import read_nifti
from medcl.study.errors import BadInput, RunFailed
from medcl.workflows.pool import run_jobs, usable_cores


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


def test_jobs_run_in_other_processes_only_when_asked() -> None:
    assert {result for _, result in run_jobs(_pid, [0, 1], 1)} == {os.getpid()}
    assert os.getpid() not in {result for _, result in run_jobs(os.getpgid, [0, 0], 2)}


def _pid(number: int) -> int:
    return os.getpid()
