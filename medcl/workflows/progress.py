"""Progress of long work on standard error: a bar with rate and time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LINE_EVERY_SECONDS = 10.0
"""Plain lines come no closer together, so that the log of a long job stays short."""

Step = Callable[..., None]
"""`step(n, note)`: `n` more are done; `note` (such as a loss or a case) stands behind the numbers."""


@contextmanager
def progress(title: str, total: int, *, unit: str = "images", shown: bool = True) -> Iterator[Step]:
    """Show how far a loop is.

    Args:
        title: such as "Preprocessing".
        total: steps of the whole.
        unit: what is counted, in the plural.
        shown: False shows nothing (ranks other than 0).
    """
    if not shown or total == 0:
        yield lambda n=1, note="": None
        return
    if not sys.stderr.isatty():
        yield _lines(title, total, unit)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = [
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", style="dim", markup=False),
    ]
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=total, rate="", note="")

        def step(n: int = 1, note: str = "") -> None:
            speed = bar.tasks[task].speed
            bar.update(task, advance=n, note=note, rate=f"{speed:.3g} {unit}/s" if speed else "")

        yield step


def _lines(title: str, total: int, unit: str) -> Step:
    start = shown_at = time.monotonic()
    done = 0

    def step(n: int = 1, note: str = "") -> None:
        nonlocal done, shown_at
        done += n
        now = time.monotonic()
        if now - shown_at < LINE_EVERY_SECONDS and done < total:
            return
        shown_at = now
        rate = done / max(now - start, 1e-9)
        left = f", {_clock((total - done) / rate)} left" if 0 < done < total else ""
        behind = f"  {note}" if note else ""
        sys.stderr.write(f"{title} {done}/{total} {unit}, {rate:.3g}/s{left}{behind}\n")
        sys.stderr.flush()

    return step


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
