"""The answers of a language model, written down one by one as they come: a job that is stopped loses none.

A JSON line for each answer; before them one that tells what was asked, and one after each time the results were
written. A line that a kill cut in two is the last one and is cut away.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from medcl.study.errors import BadInput, RunFailed

JOB, WRITTEN = "job", "written"
"""Keys of the lines that are no answers."""


class AnswerJournal:
    """The file of answers, locked for this process as long as it is open (a context).

    Attributes:
        file: where it is.
        job: what was asked last, {} in a new journal.
        written: SHA-256 of the results by file name, as they were written last.
    """

    def __init__(self, file: Path, *, afresh: bool = False, void: Sequence[Path] = ()) -> None:
        """Open a journal, or begin one; a new one without answers leaves no file.

        Args:
            file: the journal.
            afresh: what it holds goes with the first new answer, not before: the model may not answer at all.
            void: files that go with it.

        Raises:
            BadInput: another process writes it, or it is none.
            RunFailed: it cannot be written.
        """
        self.file = file
        self.job: dict[str, Any] = {}
        self.written: dict[str, str] = {}
        self._void = [*void] if afresh else None
        self._answers: dict[tuple[str, int], str] = {}
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._stream: IO[bytes] = file.open("a+b")
        except OSError as error:
            raise RunFailed(f"{file} cannot be written ({error.strerror}). Give another folder with --out.") from error
        try:
            _lock(self._stream, file)
            if not afresh:
                self._read()
        except BaseException:
            self._stream.close()
            raise

    def __enter__(self) -> AnswerJournal:
        return self

    def __exit__(self, *_: object) -> None:
        empty = self._stream.seek(0, os.SEEK_END) == 0
        self._stream.close()
        if empty:
            self.file.unlink(missing_ok=True)

    def __len__(self) -> int:
        return len(self._answers)

    def answer(self, template: str, attempt: int) -> str | None:
        """What the model answered, None where it was not asked."""
        return self._answers.get((template, attempt))

    @property
    def templates(self) -> list[str]:
        """The templates that have answers, in the order in which they were asked."""
        return list(dict.fromkeys(template for template, _ in self._answers))

    def add(self, template: str, attempt: int, answer: str, job: Mapping[str, Any]) -> None:
        """Write an answer down, safe on the disk when this returns; `job` before it where it is another than before."""
        if self.job != job:
            self._write({JOB: dict(job)})
            self.job = dict(job)
        self._write({"template": template, "attempt": attempt, "answer": answer})
        self._answers[template, attempt] = answer

    def note_written(self, digests: Mapping[str, str]) -> None:
        """Remember the results that were written, so that later changes of a person can be told."""
        if digests != self.written:
            self._write({WRITTEN: dict(digests)})
            self.written = dict(digests)

    def _write(self, line: dict[str, Any]) -> None:
        try:
            if self._void is not None:
                self._stream.truncate(0)
                for file in self._void:
                    file.unlink(missing_ok=True)
                self._void = None
            self._stream.write(json.dumps(line).encode("ascii") + b"\n")  # ASCII: lone surrogates are written too
            self._stream.flush()
            os.fsync(self._stream.fileno())
        except OSError as error:
            raise RunFailed(
                f"{self.file} could not be written ({error.strerror}). Free space on its disk and go on with --resume."
            ) from error

    def _read(self) -> None:
        self._stream.seek(0)
        content = self._stream.read()
        whole = content.rfind(b"\n") + 1
        for number, line in enumerate(content[:whole].splitlines(), start=1):
            try:
                self._take(json.loads(line))
            except (ValueError, KeyError, TypeError):
                raise BadInput(
                    f"{self.file}, line {number}: is no answer that medcl wrote. Restore the file, or start again with "
                    "--overwrite."
                ) from None
        if whole < len(content):
            self._stream.truncate(whole)

    def _take(self, line: dict[str, Any]) -> None:
        if JOB in line:
            self.job = dict(line[JOB])
        elif WRITTEN in line:
            self.written = dict(line[WRITTEN])
        else:
            self._answers[str(line["template"]), int(line["attempt"])] = str(line["answer"])


def _lock(stream: IO[bytes], file: Path) -> None:
    """Keep a second process out; where the system or the disk has no locks there is none."""
    try:
        import fcntl
    except ImportError:  # Windows
        return
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BadInput(
            f"{file}: another `medcl prompts augment` writes here. Wait for it, or give another folder with --out."
        ) from None
    except OSError:
        return
