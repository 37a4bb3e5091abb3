"""What TensorBoard reads is what metrics.csv holds, also after a resume."""

from __future__ import annotations

import csv
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from training_toy import BATCHES, EPOCHS, run

from medcl.study.errors import BadInput, RunFailed
from medcl.training import settings as settings_module
from medcl.training import tensorboard as module
from medcl.training.interrupt import Interrupted
from medcl.training.report import SilentReport
from medcl.training.settings import TrainingSettings
from medcl.training.tensorboard import FOLDER, TensorBoardLog

Points = dict[tuple[str, str], list[tuple[int, float]]]


def shown(folder: Path, purge: bool = True) -> Points:
    """(split, name) to (step, value), as TensorBoard reads them; without `purge` all that any file holds."""
    points: Points = {}
    for split in sorted((folder / FOLDER).iterdir()):
        events = EventAccumulator(str(split), purge_orphaned_data=purge)
        events.Reload()
        for name in events.Tags()["scalars"]:
            points[split.name, name] = [(event.step, event.value) for event in events.Scalars(name)]
    return points


def written(folder: Path) -> Points:
    """The same of metrics.csv."""
    points: Points = {}
    with (folder / "metrics.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            for name, value in row.items():
                if name not in ("split", "step") and value:
                    points.setdefault((row["split"], name), []).append((int(row["step"]), float(value)))
    return points


def assert_same(folder: Path, purge: bool = True) -> None:
    one, other = shown(folder, purge), written(folder)
    assert one.keys() == other.keys()
    for name in one:
        assert [step for step, _ in one[name]] == [step for step, _ in other[name]], name
        assert [v for _, v in one[name]] == pytest.approx([v for _, v in other[name]], rel=1e-6), name


class Stops(SilentReport):
    """Asks to stop at a step."""

    def __init__(self, at: int) -> None:
        self.at, self.steps = at, 0

    def step(self, done: int, losses: Any) -> None:
        self.steps += 1
        if self.steps == self.at:
            os.kill(os.getpid(), signal.SIGINT)


def test_events_hold_what_metrics_hold_over_the_steps(tmp_path: Path) -> None:
    run(tmp_path, tensorboard=True)
    assert_same(tmp_path)
    points = shown(tmp_path)
    assert [step for step, _ in points["train", "loss"]] == [BATCHES * epoch for epoch in range(1, EPOCHS + 1)]
    assert [value for _, value in points["val", "epoch"]] == list(range(1, EPOCHS + 1))


def test_nothing_is_written_unless_asked_for(tmp_path: Path) -> None:
    run(tmp_path, epochs=1)
    assert not (tmp_path / FOLDER).exists()


@pytest.mark.parametrize("purge", [True, False], ids=["as TensorBoard reads", "all that is in the files"])
def test_a_resumed_run_doubles_no_points(tmp_path: Path, purge: bool) -> None:
    with pytest.raises(Interrupted):
        run(tmp_path, tensorboard=True, report=Stops(2 * BATCHES + 2))
    (tmp_path / "checkpoints" / "last.pt").unlink()  # so that the resume starts from the end of an earlier epoch
    run(tmp_path, tensorboard=True, resume=True)
    assert len(shown(tmp_path, purge)["train", "loss"]) == EPOCHS
    assert_same(tmp_path, purge)


def test_asked_for_at_a_resume_it_has_the_epochs_before_too(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        run(tmp_path, report=Stops(2 * BATCHES + 2))
    run(tmp_path, tensorboard=True, resume=True)
    assert len(shown(tmp_path)["train", "loss"]) == EPOCHS


def test_open_pages_are_told_to_forget_what_was_before(tmp_path: Path) -> None:
    """The old file stays, as where it cannot be removed: its points are read over."""
    old = TensorBoardLog(tmp_path)
    old.restart([{"split": "train", "step": "5", "epoch": "1", "loss": "9.0"}])
    old.close()
    new = TensorBoardLog(tmp_path)
    new.add([{"split": "train", "step": "5", "epoch": "1", "loss": "1.0"}])
    new.close()
    assert shown(tmp_path)["train", "loss"] == [(5, 1.0)]
    assert len(shown(tmp_path, purge=False)["train", "loss"]) == 2


def test_without_the_package_it_is_refused_with_the_way_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings_module, "find_spec", lambda name: None)
    with pytest.raises(BadInput, match=r"--tensorboard: .*pip install 'medcl\[tensorboard\]'"):
        TrainingSettings(tensorboard=True)
    TrainingSettings()


def test_a_disk_that_cannot_be_written_fails_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.TensorBoardLog, "_writer", full)
    with pytest.raises(RunFailed, match=r"No space left on device.*--resume"):
        run(tmp_path, tensorboard=True, epochs=1)


def test_closing_does_not_hide_what_was_told(tmp_path: Path) -> None:
    class Full:
        def close(self) -> None:
            raise OSError(28, "No space left on device")

    log = TensorBoardLog(tmp_path)
    log._writers["train"] = Full()
    log.close()
    log.close()
