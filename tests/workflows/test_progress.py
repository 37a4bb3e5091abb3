"""Progress on standard error."""

from __future__ import annotations

import io
import sys

import pytest

from medcl.workflows import progress as module
from medcl.workflows.progress import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_plain_lines_come_seldom_and_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("Embedding", 50) as step:
        for number in range(50):
            step(1, f"loss {number}")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("Embedding 50/50 images, ")
    assert lines[0].endswith("/s  loss 49")


def test_time_left_is_told_when_it_takes_long(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 20.0, 40.0, 41.0, 80.0])
    monkeypatch.setattr(module.time, "monotonic", lambda: next(clock))
    with progress("Reading", 400, unit="files") as step:
        for count in (10, 10, 10, 370):
            step(count)
    assert capsys.readouterr().err.splitlines() == [
        "Reading 10/400 files, 0.5/s, 13:00 left",
        "Reading 20/400 files, 0.5/s, 12:40 left",
        "Reading 400/400 files, 5/s",
    ]


def test_hours() -> None:
    assert module._clock(3725) == "1:02:05"
    assert module._clock(65) == "1:05"


def test_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress("Reading [x]", 3) as step:
        for _ in range(3):
            step(1, "P1 [note]")
    assert "3/3" in terminal.getvalue()
    assert "P1 [note]" in terminal.getvalue()


def test_nothing_is_shown_where_it_should_not(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("Reading", 3, shown=False) as step:
        step(3)
    with progress("Reading", 0) as step:
        step(0)
    assert capsys.readouterr().err == ""
