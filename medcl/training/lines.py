"""One line an epoch, for logs and other outputs that are no terminal."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import IO

from medcl.training.report import EpochSummary
from medcl.training.result import TrainingResult
from medcl.training.words import duration


class LinesReport:
    """Writes plain lines and flushes each, so that a log can be followed.

    Args:
        stream: where to; standard output unless told.
        title: begins every line about epochs.
    """

    def __init__(self, stream: IO[str] | None = None, title: str = "") -> None:
        self._stream = stream or sys.stdout
        self._title = f"{title}  " if title else ""

    def message(self, text: str) -> None:
        """Write a line."""
        self._line(text)

    def warning(self, text: str) -> None:
        """Write a line that begins with "Warning"."""
        self._line(f"Warning: {text}")

    def epoch_started(self, epoch: int, epochs: int, batches: int, done: int) -> None:
        """Say where a resumed epoch goes on."""
        if done:
            self._line(f"{self._title}epoch {epoch}/{epochs} goes on after step {done} of {batches}")

    def step(self, done: int, losses: Mapping[str, float] | None) -> None:
        """Say nothing: a line a step would drown a log."""

    def epoch_finished(self, summary: EpochSummary) -> None:
        """Write the epoch's line."""
        self._line(self._title + epoch_line(summary))

    def finished(self, result: TrainingResult) -> None:
        """Write the end of the run."""
        for sentence in result.sentences():
            self._line(sentence)

    def close(self) -> None:
        """Flush."""
        self._stream.flush()

    def _line(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()


def epoch_line(summary: EpochSummary) -> str:
    """Return an ended epoch in one line."""
    losses = "  ".join(f"{name} {value:.4f}" for name, value in summary.losses.items())
    validation = ""
    if summary.validation is not None:
        validation = f"  val {summary.validation['loss']:.4f}{' (best)' if summary.best else ''}"
    left = f"  left {duration(summary.seconds_left)}" if summary.epoch < summary.epochs else ""
    return (
        f"epoch {summary.epoch}/{summary.epochs}  {losses}{validation}  lr {summary.lr:.2e}  "
        f"{duration(summary.seconds)}  waiting {summary.waiting_share:.1%}{left}"
    )
