"""Freed arrays' memory stays with a worker process."""

from __future__ import annotations

import platform
import resource

import numpy as np
import pytest

from medcl.workflows.memory import keep_memory
from medcl.workflows.pool import run_jobs

_BYTES = 40 << 20


def page_faults_of_ten_arrays(kept: bool) -> int:
    """How often the system had to hand out fresh pages, of an array that is made and freed again and again."""
    if kept:
        keep_memory()
    for _ in range(2):
        np.full(_BYTES, 1, np.uint8)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        np.full(_BYTES, 1, np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="an advice to glibc")
def test_arrays_are_made_in_memory_that_the_process_has() -> None:
    (_, first), (_, second) = run_jobs(page_faults_of_ten_arrays, [True, True], 2)
    assert first < 100
    assert second < 100


def test_it_does_no_harm_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    keep_memory()
