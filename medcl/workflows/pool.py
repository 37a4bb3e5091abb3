"""Runs a function over many jobs in several processes; memory stays flat and a killed parent leaves no process behind.

Processes are started afresh ("spawn"), never forked: forking a process that has threads (torch, BLAS) can hang, and
afresh works alike on Linux, macOS and Windows.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Protocol, TypeVar

from medcl.study.errors import RunFailed
from medcl.workflows.memory import keep_memory

Job = TypeVar("Job")
Result = TypeVar("Result")
Item = TypeVar("Item")

JobOut = TypeVar("JobOut", covariant=True)

_QUEUED_PER_WORKER = 4


class Jobs(Protocol[JobOut]):
    """As many as its length says, gone through once: a list, or what makes each when its turn comes."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[JobOut]: ...


def run_jobs(
    function: Callable[[Job], Result], jobs: Jobs[Job], workers: int | None = None
) -> Generator[tuple[Job, Result], None, None]:
    """Yield each job with its result, in the order in which they end.

    Args:
        function: of a module that imports quickly; each process imports it.
        jobs: what can be pickled.
        workers: processes; None is one for each core. With 1, everything happens in this process.

    Raises:
        RunFailed: a process was ended from outside. What `function` raises ends the whole and is passed on.
    """
    workers = min(workers or usable_cores(), len(jobs))
    if workers <= 1:
        for job in jobs:
            yield job, function(job)
        return
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_start_worker)
    waiting, at_hand = iter(jobs), isinstance(jobs, Sequence)
    running: dict[Future[Result], Job] = {}
    try:
        while True:
            for job in waiting:
                running[pool.submit(function, job)] = job
                if len(running) >= workers * _QUEUED_PER_WORKER:
                    break
                if not at_hand and any(future.done() for future in running):
                    break  # making the next one takes time, and what is done should be safe before
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future.result()
    except BrokenProcessPool as error:
        raise RunFailed(
            "a worker process was ended from outside (is memory short?); what was done is kept. Run again with fewer "
            "--workers; 1 does without such processes. (From a Python script, the call must stand below "
            "`if __name__ == '__main__':`.)"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def behind(finish: Callable[[Item], object], items: Iterable[Item], threads: int) -> Iterator[Item]:
    """Yield the items, in their order, each when `finish(item)` has ended; meanwhile the next ones are being made.

    For what waits rather than computes, such as a disk that makes files safe.

    Args:
        finish: called in one of `threads` threads.
        items: made on demand, at most `2 * threads` ahead of the one that is yielded.
        threads: how many are finished at a time.

    Raises:
        Whatever `finish` raises, at its item; what making the next item raises, after the items before it.
    """
    waiting: deque[tuple[Item, Future[object]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                waiting.append((item, pool.submit(finish, item)))
                while waiting and (waiting[0][1].done() or len(waiting) > 2 * threads):
                    yield _ended(*waiting.popleft())
        except Exception:
            yield from _all_ended(waiting)
            raise
        yield from _all_ended(waiting)


def usable_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _all_ended(waiting: deque[tuple[Item, Future[object]]]) -> Iterator[Item]:
    while waiting:
        yield _ended(*waiting.popleft())


def _ended(item: Item, future: Future[object]) -> Item:
    future.result()
    return item


def _start_worker() -> None:
    """The parent alone answers Ctrl-C; and when it dies, so does the worker, which would else wait for ever."""
    keep_memory()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
