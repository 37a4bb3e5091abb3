"""Methods of several phases in the loop: what they are told and given, and that a resume stays exact."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from phased_toy import OverviewToy, TwoPhases, overview_rows
from test_loop import Listener, rows
from training_toy import BATCHES, CPU, EPOCHS, ToyBatch, ToyMethod, ToySource, run, settings

from medcl.data.source import TaskSource
from medcl.study.errors import RunFailed
from medcl.training import phased
from medcl.training.checkpoint import content_checksum, read_checkpoint
from medcl.training.dry_run import dry_run
from medcl.training.interrupt import Interrupted
from medcl.training.metrics import TIME_COLUMNS
from medcl.training.phased import Phased
from medcl.training.randomness import seed_everything
from medcl.training.source import OverviewSource


def train(folder: Path, kind: type[TwoPhases] = TwoPhases, **how: Any) -> Any:
    """Train a method of a kind, its first weights drawn from the seed; return it."""
    seed_everything(0)
    method = kind()
    run(folder, method=method, source=OverviewToy(), **how)
    return method


def weights(folder: Path) -> str:
    return content_checksum(read_checkpoint(folder / "checkpoints" / "last.pt")["runner"])


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The end of a run that nothing stopped."""
    folder = tmp_path_factory.mktemp("unbroken")
    train(folder)
    return end_of(folder)


def test_protocols_tell_who_has_phases_and_overviews() -> None:
    assert isinstance(TwoPhases(), Phased)
    assert not isinstance(ToyMethod(), Phased)
    assert isinstance(OverviewToy(), OverviewSource)
    assert not isinstance(ToySource(), OverviewSource)


def test_the_method_is_told_before_each_epoch_and_its_words_are_reported(tmp_path: Path) -> None:
    listener = Listener()
    method = train(tmp_path, report=listener)
    assert method.told == list(range(EPOCHS))
    assert listener.texts == ["The level is fixed before epoch 3.", "The encoder is frozen."]
    assert method.modes == [True] * (EPOCHS * BATCHES), "evaluation mode of the hook ends with it"


class Looks(TwoPhases):
    """Looks at all images before each epoch, and never changes."""

    def begin_epoch(self, epoch: int, images: Callable[[], Iterator[ToyBatch]]) -> list[str]:
        self.seen.append(torch.cat([batch.volumes for batch in images()]))
        return []


def test_images_are_whole_clean_and_the_same_in_every_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    method, stored = train(tmp_path / "a", Looks), OverviewToy().images
    assert len(method.seen) == EPOCHS
    assert all(torch.equal(seen, stored) for seen in method.seen)
    monkeypatch.setattr(phased, "_images", lambda source, epoch: source.batches(source.overview(), epoch))
    broken = train(tmp_path / "b", Looks)
    assert not torch.equal(broken.seen[0], stored), "the twin: augmented images"


def test_looking_at_all_images_changes_nothing(tmp_path: Path) -> None:
    train(tmp_path / "looks", Looks)

    class Blind(TwoPhases):
        def begin_epoch(self, epoch: int, images: Any) -> list[str]:
            return []

    train(tmp_path / "blind", Blind)
    assert weights(tmp_path / "looks") == weights(tmp_path / "blind")


def test_a_source_without_overview_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"ToySource has no overview\(\)"):
        run(tmp_path, method=TwoPhases())


class StopsAfter(Listener):
    """Is signalled at the end of an epoch."""

    def __init__(self, epoch: int) -> None:
        super().__init__()
        self.epoch = epoch

    def epoch_finished(self, summary: Any) -> None:
        if summary.epoch == self.epoch:
            os.kill(os.getpid(), signal.SIGINT)


def at_step(step: int) -> Listener:
    return Listener(step, lambda: os.kill(os.getpid(), signal.SIGINT))


STOPS: dict[str, Callable[[], Listener]] = {
    "before": lambda: at_step(BATCHES + 2),
    "last step before": lambda: at_step(2 * BATCHES),
    "exactly at": lambda: StopsAfter(2),
    "first step after": lambda: at_step(2 * BATCHES + 1),
    "after": lambda: at_step(3 * BATCHES + 3),
}


def end_of(folder: Path) -> str:
    table = [[cell for name, cell in row.items() if name not in TIME_COLUMNS] for row in rows(folder)]
    contents = [read_checkpoint(folder / "checkpoints" / name) for name in ("last.pt", "best.pt")]
    contents[0]["place"].pop("validation_seconds")
    for own in contents[0]["ranks"]:
        own["runner"].pop("clock")
    return content_checksum([*contents, list(rows(folder)[0]), table])


def resumed(folder: Path, stop: str, kind: type[TwoPhases] = TwoPhases) -> TwoPhases:
    with pytest.raises(Interrupted):
        train(folder, kind, report=STOPS[stop]())
    method: TwoPhases = train(folder, kind, resume=True)
    return method


@pytest.mark.parametrize("stop", STOPS)
def test_a_run_stopped_around_the_change_ends_like_the_unbroken_one(tmp_path: Path, unbroken: str, stop: str) -> None:
    method = resumed(tmp_path, stop)
    assert end_of(tmp_path) == unbroken
    assert (
        method.told
        == {
            "before": [1, 2, 3],
            "last step before": [1, 2, 3],
            "exactly at": [2, 3],
            "first step after": [2, 3],
            "after": [3],
        }[stop]
    ), "told again in the middle of an epoch"


class Refixes(TwoPhases):
    """The broken twin: fixes its level anew each time it is told, from weights that have moved on."""

    fixes = False


def test_what_is_fixed_anew_at_a_resume_is_noticed(tmp_path: Path) -> None:
    train(tmp_path / "whole", Refixes)
    resumed(tmp_path / "cut", "after", Refixes)
    assert end_of(tmp_path / "cut") != end_of(tmp_path / "whole")


class Forgets(TwoPhases):
    """The other broken twin: what it fixed is not in its state."""

    def load_state_dict(self, state: Any, *arguments: Any, **named: Any) -> Any:
        return super().load_state_dict({**state, "level": torch.zeros(())}, *arguments, **named)


def test_what_is_not_restored_at_a_resume_is_noticed(tmp_path: Path) -> None:
    train(tmp_path / "whole", Forgets)
    resumed(tmp_path / "cut", "after", Forgets)
    assert end_of(tmp_path / "cut") != end_of(tmp_path / "whole")


def test_a_run_that_fails_at_the_change_goes_on_from_the_epoch_before(tmp_path: Path, unbroken: str) -> None:
    class Fails(TwoPhases):
        def begin_epoch(self, epoch: int, images: Any) -> list[str]:
            torch.rand(5)
            told = super().begin_epoch(epoch, images)
            if epoch == self.change:
                torch.empty(1 << 60)
            return told

    with pytest.raises(RunFailed, match="Out of memory at the beginning of epoch 3"):
        train(tmp_path, Fails)
    train(tmp_path, resume=True)
    assert end_of(tmp_path) == unbroken


class Draws(TwoPhases):
    """Draws from every generator when it is told."""

    def begin_epoch(self, epoch: int, images: Callable[[], Iterator[ToyBatch]]) -> list[str]:
        torch.rand(3), np.random.rand(2), random.random()
        return super().begin_epoch(epoch, images)


def test_draws_of_the_method_between_epochs_leave_the_run_as_it_is(
    tmp_path: Path, unbroken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(tmp_path / "draws", Draws)
    assert end_of(tmp_path / "draws") == unbroken
    monkeypatch.setattr(phased, "untouched_randomness", lambda device: nullcontext())
    train(tmp_path / "unguarded", Draws)
    assert end_of(tmp_path / "unguarded") != unbroken, "the twin: without the guard"


def test_the_last_epochs_weights_are_kept_and_told_so(tmp_path: Path) -> None:
    listener = Listener()
    train(tmp_path / "phased", report=listener, lr=0.3)
    (result,) = listener.results
    val = [float(row["loss"]) for row in rows(tmp_path / "phased") if row["split"] == "val"]
    assert min(val) != val[-1], "an earlier epoch has the lowest validation loss"
    assert (result.best_epoch, result.best_loss) == (EPOCHS, val[-1])
    best, last = read_checkpoint(result.best), read_checkpoint(result.last)
    assert content_checksum(best["method"]) == content_checksum(last["runner"]["method"])
    assert not any(summary.best for summary in listener.summaries)
    assert f"keeps the last epoch's weights, whose validation loss is {val[-1]:.4f}." in result.sentences()[0]
    plain = run(tmp_path / "plain", lr=0.3, source=OverviewToy())
    assert "best validation loss" in plain.sentences()[0]
    blind = run(tmp_path / "blind", method=TwoPhases(), source=OverviewToy(validation=False), epochs=2)
    assert "(no validation)" in blind.sentences()[0]


def test_metrics_hold_what_one_phase_alone_logs(tmp_path: Path) -> None:
    train(tmp_path)
    first, second = ([row for row in rows(tmp_path) if row["split"] == "train"][number] for number in (0, -1))
    assert first["consistency"]
    assert first["collapse_distance"]
    assert not first["pull"]
    assert second["pull"]
    assert not second["consistency"]
    assert not second["collapse_distance"]
    assert not second["grad_norm_encoder"]
    assert second["loss"]
    assert second["lr_encoder"] == second["lr_head"]


class Stuck(TwoPhases):
    """Its loss is 0.999 throughout, and 1 is its collapse value in one of the phases."""

    later = False

    @property
    def collapse_loss(self) -> float | None:  # type: ignore[override]
        return 1.0 if bool(self.fixed) == self.later else None

    def steps(self, batch: ToyBatch) -> Iterator[Any]:
        for step in super().steps(batch):
            yield type(step)(step.optimizer, 0 * step.loss + (0.999 if step.optimizer == "head" else 0))


@pytest.mark.parametrize(("later", "epochs"), [(False, ["Epoch 3"]), (True, ["Epoch 6"])])
def test_the_collapse_value_is_that_of_the_phase(tmp_path: Path, later: bool, epochs: list[str]) -> None:
    """Two epochs in a row after the warm-up are warned about: epochs 2 and 3, or those of the second phase, 5 and 6."""
    listener = Listener()
    train(tmp_path, type("StuckThen", (Stuck,), {"later": later, "change": 4}), report=listener, epochs=6)
    assert [text.split(":")[0] for text in listener.warned] == epochs


def test_a_dry_run_takes_two_steps_of_the_first_phase() -> None:
    method = Draws()
    before, state = content_checksum(dict(method.state_dict())), torch.get_rng_state()
    forecast = dry_run(method, OverviewToy(), settings(), device=CPU)
    assert method.told == [0]
    assert method.modes == [True, True]
    assert forecast.steps == BATCHES
    assert content_checksum(dict(method.state_dict())) == before
    assert torch.equal(torch.get_rng_state(), state)
    at_once = TwoPhases()
    at_once.change = 0
    dry_run(at_once, OverviewToy(), settings(), device=CPU)
    assert len(at_once.seen) == 1
    assert not at_once.fixed, "what the dry run fixed is taken back"


class Task:
    """Hands out plans by name."""

    batch_size = 2

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


class LookingTask(Task):
    def overview(self) -> list[Any]:
        return [[0, 1], [2]]


def test_a_task_source_shows_what_its_task_shows() -> None:
    loader: Any = None
    source: Any = TaskSource(LookingTask(), loader)
    assert isinstance(source, OverviewSource)
    assert overview_rows(source.overview()) == [0, 1, 2]
    other: Any = Task()
    with pytest.raises(TypeError, match="Task has no overview of its images"):
        TaskSource(other, loader).overview()
