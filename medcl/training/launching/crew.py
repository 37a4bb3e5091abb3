"""The workers of one machine as their launcher sees them: forwarding, ending stragglers, telling what went wrong."""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure

from medcl.study.errors import MedclError, RunFailed
from medcl.training.interrupt import STOP_SIGNALS, Interrupted
from medcl.training.launching.failure import Failure
from medcl.training.launching.worker import DONE, PID

GRACE_SECONDS = 6.0
"""When one worker ended before its work was done, the others have so long to end by themselves."""

_RESUME = "The same command with --resume goes on from the last checkpoint."


class Crew:
    """The workers whose files lie in `folder`.

    Args:
        folder: given to torch's launcher for its logs; each worker has a folder of its own somewhere below.
        processes: how many there will be.

    Attributes:
        asked: the signal that the workers were asked to stop with; None before.
    """

    def __init__(self, folder: Path, processes: int) -> None:
        self.asked: int | None = None
        self._folder = folder
        self._processes = processes
        self._told: set[int] = set()
        self._pids: dict[Path, int] = {}
        self._ended: float | None = None
        self._to_kill = False

    def forward(self, signum: int) -> None:
        """Send a signal to every worker, also to those that are still being started."""
        self.asked = signum
        self._tell()

    def look_after(self) -> None:
        """Do what is due: tell late workers of a signal, end those that outlive another's failure."""
        self._tell()
        gone = [desk for desk, pid in self._workers().items() if not _is_child(pid)]
        if self._ended is None and any(not (desk / DONE).exists() for desk in gone):
            self._ended = time.monotonic()
        if self._ended is not None and time.monotonic() > self._ended + GRACE_SECONDS:
            self._to_kill = True
        if self._to_kill:
            self.kill()

    def kill(self) -> None:
        """End every worker at once, also those that are still being started."""
        self._to_kill = True
        for pid in self._workers().values():
            _send(pid, signal.SIGKILL)

    def error(self, error: BaseException) -> BaseException:
        """Return what the user is to see for an error of torch's launcher."""
        if not isinstance(error, ChildFailedError):
            return error
        rank, process = min(error.failures.items(), key=lambda item: item[1].timestamp)
        failures = self._failures()
        causes = [failure for failure in failures if not failure.lost] or failures
        if process.exitcode < 0 and self.asked is None:  # first of all; the others only met its end
            return _killed(rank, process)
        if causes:
            return causes[0].error()
        if self.asked is not None:
            return Interrupted(f"Stopped by {STOP_SIGNALS[self.asked]} before a worker had begun.")
        return _mute(rank, process)

    def _tell(self) -> None:
        if self.asked is None:
            return
        for pid in self._workers().values():
            if pid not in self._told:
                self._told.add(pid)
                _send(pid, self.asked)

    def _workers(self) -> dict[Path, int]:
        """The process of each worker that has begun, by the worker's folder."""
        if len(self._pids) < self._processes:
            for file in self._folder.glob(f"*/*/*/{PID}"):
                if text := file.read_text(encoding="utf-8"):
                    self._pids[file.parent] = int(text)
        return self._pids

    def _failures(self) -> list[Failure]:
        """What the workers told in torch's error files, the earliest file first."""
        found = []
        for file in sorted(self._folder.glob("*/*/*/error.json"), key=lambda file: file.stat().st_mtime):
            with suppress(ValueError):  # torn, or of an error before the worker's own code
                told = json.loads(file.read_text(encoding="utf-8"))["message"]["message"]
                found.append(Failure.from_json(told.partition(": ")[2]))
        return found


def _killed(rank: int, process: ProcessFailure) -> MedclError:
    name = signal.Signals(-process.exitcode).name
    why = " The system does that when memory runs out." if name == "SIGKILL" else ""
    return RunFailed(f"Process {rank} (pid {process.pid}) was ended from outside by {name}.{why} {_RESUME}")


def _mute(rank: int, process: ProcessFailure) -> MedclError:
    return RunFailed(
        f"Process {rank} ended with exit status {process.exitcode} before its work began. In a Python script the call "
        "must stand below `if __name__ == '__main__':`."
    )


def _is_child(pid: int) -> bool:
    """Tell whether a process is there and was started by this one: numbers are used again."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return False
    state, parent = stat.rpartition(")")[2].split()[:2]  # the name in brackets may hold anything
    return int(parent) == os.getpid() and state != "Z"


def _send(pid: int, signum: int) -> None:
    if _is_child(pid):
        with suppress(ProcessLookupError):
            os.kill(pid, signum)
