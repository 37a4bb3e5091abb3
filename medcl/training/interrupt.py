"""Ctrl-C at any moment, acted on between two steps, where the state is whole."""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType
from typing import Any, Self

from medcl.study.errors import RunFailed

_NOTICE = b"\nStopping after this step; Ctrl-C again stops at once.\n"


class Interrupted(RunFailed):
    """The user stopped the run; it can be resumed."""


class Interruption:
    """While entered, the first Ctrl-C only sets `asked`; a second one raises KeyboardInterrupt.

    In threads other than the main one Python delivers no signals: Ctrl-C there is the main thread's matter.
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: Any = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._catch)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _catch(self, signum: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, _NOTICE)  # safe within a print that was cut short
