"""Why one process of several failed, as data that can go to the others and to whoever started them."""

from __future__ import annotations

import json
import re
import traceback
from dataclasses import asdict, dataclass
from typing import Self

from medcl.study.errors import BadInput, MedclError, RunFailed
from medcl.training.interrupt import Interrupted

_ERRORS: dict[str, type[MedclError]] = {error.__name__: error for error in (BadInput, RunFailed, Interrupted)}

_LOST = re.compile(
    r"connection (was )?(closed|reset|refused|aborted)|broken pipe|socket (closed|timeout)|recvvalue failed|"
    r"failed to (recv|send)|timed out waiting|remote process exited|ncclremoteerror|ncclsystemerror|"
    r"communicator was aborted",
    re.IGNORECASE,
)
"""How gloo, NCCL and torch's store say that another process is gone or does not answer."""


class WorkerFault(MedclError):
    """A process failed in a way that medcl does not know: a fault of medcl, not of its user."""


@dataclass(frozen=True)
class Failure:
    """An error of one process.

    Attributes:
        rank: of the process.
        kind: name of the error's class.
        problems: its sentences.
        trace: its traceback.
        lost: the process only noticed that another one was gone.
    """

    rank: int
    kind: str
    problems: tuple[str, ...]
    trace: str = ""
    lost: bool = False

    @classmethod
    def of(cls, error: BaseException, rank: int) -> Self:
        """Describe an error of this process."""
        problems = error.problems if isinstance(error, MedclError) else [str(error)]
        trace = "".join(traceback.format_exception(error))
        return cls(rank, type(error).__name__, tuple(problems), trace, tells_of_a_lost_peer(error))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote."""
        fields = json.loads(text)
        return cls(**{**fields, "problems": tuple(fields["problems"])})

    def to_json(self) -> str:
        """Write it in one line."""
        return json.dumps(asdict(self))

    def error(self) -> MedclError:
        """Return the error that the user is to see, of the same class, with the traceback as a note."""
        error: MedclError
        if self.kind in _ERRORS:
            error = _ERRORS[self.kind](self.problems)
        else:
            error = WorkerFault(
                [
                    f"Process {self.rank} failed with {self.kind}: {' '.join(self.problems)}",
                    "This is a fault of medcl: run again with --debug and report the traceback.",
                ]
            )
        error.add_note(f"In process {self.rank}:\n{self.trace}")
        return error


def tells_of_a_lost_peer(error: BaseException) -> bool:
    """Tell whether an error is only the echo of another process's end."""
    return isinstance(error, RuntimeError | ConnectionError) and _LOST.search(str(error)) is not None
