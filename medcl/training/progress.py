"""A progress bar with the rate, the time left and the losses, on a terminal; plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from medcl.training.lines import LinesReport, epoch_line
from medcl.training.report import EpochSummary, Reporter
from medcl.training.result import TrainingResult

RATE_WINDOW_SECONDS = 600.0
"""Rate and time left follow the steps of this long; a 3D step can take half a minute on a CPU."""


def reporter(title: str = "", console: Console | None = None) -> Reporter:
    """Return a progress bar where the console is a terminal, else one line an epoch.

    Args:
        title: begins every line about epochs, such as "fold 2 of 5".
        console: standard output unless told.
    """
    console = console or Console()
    return ProgressReport(console, title) if console.is_terminal else LinesReport(console.file, title)


class ProgressReport:
    """A bar over the steps of the whole run; ended epochs scroll past above it."""

    def __init__(self, console: Console, title: str = "") -> None:
        self._console = console
        self._title = f"{title}  " if title else ""
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            _Rate(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[losses]}"),
            console=console,
            transient=True,
            speed_estimate_period=RATE_WINDOW_SECONDS,
        )
        self._task = self._bar.add_task("", total=None, start=False, visible=False, losses="")
        self._before = 0

    def message(self, text: str) -> None:
        """Print above the bar."""
        self._console.print(text, markup=False, highlight=False)

    def warning(self, text: str) -> None:
        """Print above the bar in yellow."""
        self._console.print(f"Warning: {text}", style="yellow", markup=False, highlight=False)

    def epoch_started(self, epoch: int, epochs: int, batches: int, done: int) -> None:
        """Aim the bar at the end of the run, as if later epochs had as many steps as this one."""
        self._bar.start()
        self._bar.start_task(self._task)
        self._bar.update(
            self._task,
            description=f"{self._title}epoch {epoch}/{epochs}",
            total=self._before + (batches - done) + batches * (epochs - epoch),
            visible=True,
        )
        self._before -= done

    def step(self, done: int, losses: Mapping[str, float] | None) -> None:
        """Move the bar, and show the losses where they were read."""
        if losses is not None:
            self._bar.update(self._task, losses="  ".join(f"{name} {value:.4f}" for name, value in losses.items()))
        self._bar.update(self._task, completed=self._before + done)

    def epoch_finished(self, summary: EpochSummary) -> None:
        """Print the epoch's line above the bar."""
        self._before = int(self._bar.tasks[0].completed)
        self.message(self._title + epoch_line(summary))

    def finished(self, result: TrainingResult) -> None:
        """Print the end of the run."""
        self.close()
        for sentence in result.sentences():
            self.message(sentence)

    def close(self) -> None:
        """Take the bar away."""
        self._bar.stop()


class _Rate(ProgressColumn):
    """Steps per second, or seconds per step where those are long."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        if not speed:
            return Text("")
        return Text(f"{speed:.1f} steps/s" if speed >= 1 else f"{1 / speed:.1f} s/step")
