"""Ctrl-C and a scheduler's signals at any moment, acted on between two steps, where the state is whole."""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType
from typing import Any, Self

from medcl.study.errors import RunFailed
from medcl.training.distributed import world_size

STOP_SIGNALS = {
    getattr(signal, name): words
    for name, words in {"SIGINT": "Ctrl-C", "SIGTERM": "SIGTERM", "SIGUSR1": "SIGUSR1"}.items()
    if hasattr(signal, name)  # Windows has no SIGUSR1
}
"""What asks a run to stop, in words. Schedulers send SIGTERM, or a signal of one's choice, before the time is over."""


class Interrupted(RunFailed):
    """The run was stopped from outside; it can be resumed."""


class Interruption:
    """While entered, a signal of `STOP_SIGNALS` only sets `asked`; a second Ctrl-C raises KeyboardInterrupt.

    Of several processes none answers a second Ctrl-C itself: whoever started them ends them all (and a terminal's
    Ctrl-C reaches each of them twice, from the terminal and from that parent). In threads other than the main one
    Python delivers no signals: they are the main thread's matter.

    Attributes:
        asked: a signal came.
        reason: which one, in words; before one came, what to say when another process was asked.
    """

    def __init__(self) -> None:
        self.asked = False
        self.reason = "a signal to another process"
        self._alone = True
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._alone = world_size() == 1
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._catch) for number in STOP_SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _catch(self, signum: int, frame: FrameType | None) -> None:
        if self.asked and self._alone and signum == signal.SIGINT:
            raise KeyboardInterrupt
        if self.asked:
            return
        self.asked = True
        self.reason = STOP_SIGNALS[signum]
        if self._alone:
            notify(signum)


def notify(signum: int) -> None:
    """Tell on standard error, in a way that is safe within a print that was cut short, that the run will stop."""
    words = "" if signum == signal.SIGINT else f"{STOP_SIGNALS[signum]} came. "
    notice = f"\n{words}Stopping after this step; Ctrl-C {'again ' if not words else ''}stops at once.\n"
    os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, notice.encode())
