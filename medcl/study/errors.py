"""The errors that users see: one message, everything that is wrong in it, and what to do next.

Anything a user can cause is raised as one of these and printed by the command line without a traceback;
any other exception is a fault of medcl itself.
"""

from __future__ import annotations

from collections.abc import Iterable


class MedclError(Exception):
    """An error with a message for users; `exit_status` is what the command line returns.

    Args:
        problems: one sentence, or several that are shown together, one a line.
    """

    exit_status = 1

    def __init__(self, problems: str | Iterable[str]) -> None:
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(self.problems))


class BadInput(MedclError):
    """What was given cannot be used: a table, a file, an option. Exit status 2."""

    exit_status = 2


class RunFailed(MedclError):
    """The input was right but the work could not be done: disk full, loss not finite. Exit status 1."""


class Stopped(MedclError):
    """The user stopped the work (Ctrl-C) where there is nothing to go on with. Exit status 130, as of shells."""

    exit_status = 130
