"""The worker's side of `launch`: it dies with its launcher, takes signals from it, and tells why it failed."""

from __future__ import annotations

import atexit
import ctypes
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from medcl.training.device import resolve_device
from medcl.training.interrupt import STOP_SIGNALS, Interrupted
from medcl.training.launching.failure import Failure
from medcl.training.launching.join import PeerFailed, joined
from medcl.training.launching.membership import membership

PID, DONE = "pid", "done"
"""Files of a worker, beside torch's error file of the worker: its process, and that its work ended well."""

_PR_SET_PDEATHSIG = 1  # of prctl(2)


class Told(Exception):
    """A failure in JSON, on its way through torch's error file to the launcher."""


def work_as_member(
    launcher: int, patience: float, device: str, log_level: int | None, function: Callable[[Any], Any], argument: Any
) -> Any:
    """Join the others, call `function(argument)`, and return what it does on the machine's first process.

    Args:
        launcher: process that started this one.
        patience: seconds within which all have to come.
        device: name, as `resolve_device` takes it.
        log_level: of the launcher's logger "medcl"; None when it shows nothing.
        function: the work of one process.
        argument: of the function.

    Raises:
        Told: the failure of this process or of the one that failed first.
    """
    _die_with(launcher)
    desk = Path(os.environ["TORCHELASTIC_ERROR_FILE"]).parent
    (desk / PID).write_text(str(os.getpid()), encoding="utf-8")
    rank = int(os.environ["RANK"])
    try:
        _take_signals()
        if log_level is not None:
            _show_log(log_level)
        member = membership(os.environ)
        with joined(member, resolve_device(device), patience):
            result = function(argument)
    except PeerFailed as error:
        raise Told(error.failure.to_json()) from error
    except Exception as error:
        raise Told(Failure.of(error, rank).to_json()) from error
    (desk / DONE).touch()
    atexit.register(_leave)
    return result if member.local_rank == 0 else None


def _leave() -> None:
    """End this process, whose work is done and told, without taking Python down in order.

    That was seen to abort, rarely (2 of some 150 processes of one test run), in a thread of torch's collectives, and
    a training that had ended well would be told as failed.
    """
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(0)


def _die_with(launcher: int) -> None:
    """Let the system end this process when its launcher ends, however that came about."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != launcher:  # it ended before
        os._exit(1)


def _take_signals() -> None:
    """Answer signals from now on; those that came since this process was started were kept back by the launcher."""
    for number in STOP_SIGNALS:
        signal.signal(number, _stop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


def _stop(signum: int, frame: FrameType | None) -> None:
    """Outside of the training's steps, where there is nothing to save."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # it may come twice: from the terminal and from the launcher
    raise Interrupted(
        f"Stopped by {STOP_SIGNALS[signum]} while no step was being trained. Where the run was begun already (`medcl "
        "list runs` tells), the same command with --resume goes on with it."
    )


def _show_log(level: int) -> None:
    """Show the notes of the logger "medcl" as plain lines, as the launcher does."""
    log = logging.getLogger("medcl")
    log.addHandler(logging.StreamHandler(sys.stderr))
    log.setLevel(level)
