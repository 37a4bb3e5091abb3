from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from rich.console import Console
from training_toy import BATCHES, EPOCHS, run

from medcl.training.clock import PHASES
from medcl.training.lines import LinesReport, epoch_line
from medcl.training.progress import ProgressReport, reporter
from medcl.training.report import EpochSummary
from medcl.training.result import TrainingResult

SUMMARY = EpochSummary(
    epoch=3,
    epochs=60,
    losses={"loss": 0.41234, "loss_head": 1.0},
    validation={"loss": 0.5, "other": 9.0},
    best=True,
    lr=6e-3,
    seconds=12.3,
    waiting_share=0.012,
    seconds_left=700.0,
)


def terminal(stream: io.StringIO) -> Console:
    return Console(file=stream, force_terminal=True, width=160, color_system=None, force_interactive=True)


def test_terminals_get_a_bar_and_logs_get_lines() -> None:
    assert isinstance(reporter(console=terminal(io.StringIO())), ProgressReport)
    assert isinstance(reporter(console=Console(file=io.StringIO())), LinesReport)


def test_line_of_an_epoch() -> None:
    assert epoch_line(SUMMARY) == (
        "epoch 3/60  loss 0.4123  loss_head 1.0000  val 0.5000 (best)  lr 6.00e-03  12 s  waiting 1.2%  "
        "left 11 min 40 s"
    )


def test_log_has_one_line_an_epoch_and_the_end(tmp_path: Path) -> None:
    stream = io.StringIO()
    run(tmp_path, report=LinesReport(stream, "fold 2 of 5"))
    lines = stream.getvalue().splitlines()
    epochs = [line for line in lines if line.startswith("fold 2 of 5  epoch")]
    assert len(epochs) == EPOCHS
    assert epochs[-1].startswith(f"fold 2 of 5  epoch {EPOCHS}/{EPOCHS}  loss ")
    assert "left" not in epochs[-1]
    assert lines[EPOCHS].startswith(f"{EPOCHS} epochs, {EPOCHS * BATCHES} steps in ")
    assert "A step's time: data wait " in lines[-1]


def test_bar_shows_place_rate_time_left_and_losses(tmp_path: Path) -> None:
    stream = io.StringIO()
    report = ProgressReport(terminal(stream), "fold 1 of 5")
    shown: list[tuple[float, float | None, str]] = []
    step = report.step

    def spy(done: int, losses: Any) -> None:
        step(done, losses)
        task = report._bar.tasks[0]
        shown.append((task.completed, task.total, task.fields["losses"]))

    report.step = spy  # type: ignore[method-assign]
    run(tmp_path, report=report)
    total = EPOCHS * BATCHES
    assert [completed for completed, _, _ in shown] == list(range(1, total + 1))
    assert {whole for _, whole, _ in shown} == {total}
    assert shown[-1][2].startswith("loss ")
    text = stream.getvalue()
    assert f"fold 1 of 5  epoch 1/{EPOCHS}  loss" in text
    assert f"/{total}" in text
    assert "A step's time:" in text


def test_resumed_bar_counts_what_is_left() -> None:
    report = ProgressReport(terminal(io.StringIO()))
    report.epoch_started(2, 3, 10, 4)
    report.step(5, None)
    task = report._bar.tasks[0]
    assert (task.completed, task.total) == (1, 16)
    report.close()


def test_rate_is_per_second_or_seconds_each() -> None:
    report = ProgressReport(terminal(io.StringIO()))
    column: Any = report._bar.columns[3]

    class Task:
        finished_speed: float | None = None
        speed: float | None = None

    texts = []
    for Task.speed in (None, 2.0, 0.04):
        texts.append(str(column.render(Task())))
    assert texts == ["", "2.0 steps/s", "25.0 s/step"]


def test_messages_are_printed_as_they_are() -> None:
    for make in (lambda s: ProgressReport(terminal(s)), LinesReport):
        stream = io.StringIO()
        report = make(stream)
        report.message("[bold] stays")
        report.warning("look")
        report.close()
        assert stream.getvalue().splitlines()[:2] == ["[bold] stays", "Warning: look"]


def test_result_in_words(tmp_path: Path) -> None:
    seconds = dict(zip(PHASES, [3.0, 7.0, 50.0, 30.0, 0.0, 10.0], strict=True))
    result = TrainingResult(2, 10, 960, 1, 0.25, 0.3, seconds, 5.0, 2 << 30, tmp_path, tmp_path, ())
    assert result.sentences() == [
        "2 epochs, 10 steps in 1 min 40 s and 5.0 s of validation; best validation loss 0.2500 at epoch 1.",
        "9.6 images per second, 2.0 GiB of memory at the peak.",
        "A step's time: data wait 3.0%, augmentation 7.0%, forward 50.0%, backward 30.0%, optimizer 10.0%.",
    ]
