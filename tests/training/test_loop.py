from __future__ import annotations

import csv
import errno
import math
import os
import random
import signal
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from training_toy import BATCHES, CPU, EPOCHS, IMAGES, ToyBatch, ToyMethod, ToySource, run, settings

from medcl.study.errors import BadInput, RunFailed
from medcl.training import loop
from medcl.training.checkpoint import BEST, FOLDER, LAST, PREVIOUS, content_checksum, load_checkpoint, read_checkpoint
from medcl.training.export import restore_best
from medcl.training.interrupt import Interrupted
from medcl.training.loop import train
from medcl.training.report import EpochSummary, SilentReport
from medcl.training.result import TrainingResult


class Listener(SilentReport):
    """Keeps what it is told, and does something at one step of the run."""

    def __init__(self, at: int = -1, do: Any = None) -> None:
        self.texts: list[str] = []
        self.warned: list[str] = []
        self.started: list[tuple[int, int, int, int]] = []
        self.summaries: list[EpochSummary] = []
        self.losses: list[Mapping[str, float] | None] = []
        self.results: list[TrainingResult] = []
        self.closed = 0
        self.at, self.do = at, do

    def message(self, text: str) -> None:
        self.texts.append(text)

    def warning(self, text: str) -> None:
        self.warned.append(text)

    def epoch_started(self, epoch: int, epochs: int, batches: int, done: int) -> None:
        self.started.append((epoch, epochs, batches, done))

    def step(self, done: int, losses: Mapping[str, float] | None) -> None:
        self.losses.append(losses)
        if len(self.losses) == self.at:
            self.do()

    def epoch_finished(self, summary: EpochSummary) -> None:
        self.summaries.append(summary)

    def finished(self, result: TrainingResult) -> None:
        self.results.append(result)

    def close(self) -> None:
        self.closed += 1


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_learns_tells_and_writes_what_it_did(tmp_path: Path) -> None:
    listener = Listener()
    result = run(tmp_path, report=listener, epochs=8)
    train_rows = [row for row in rows(tmp_path) if row["split"] == "train"]
    assert float(train_rows[-1]["loss"]) < 0.5 * float(train_rows[0]["loss"])
    assert [int(row["step"]) for row in train_rows] == [BATCHES * epoch for epoch in range(1, 9)]
    assert {row["images"] for row in train_rows} == {str(BATCHES * IMAGES)}
    assert sum(float(train_rows[0][f"{phase}_share"]) for phase in result.seconds) == pytest.approx(1)
    assert (result.epochs, result.steps, result.images) == (8, 8 * BATCHES, 8 * BATCHES * IMAGES)
    assert result.last_loss == float(train_rows[-1]["loss"])
    assert listener.started == [(epoch, 8, BATCHES, 0) for epoch in range(1, 9)]
    assert [summary.epoch for summary in listener.summaries] == list(range(1, 9))
    assert all(losses is not None and next(iter(losses)) == "loss" for losses in listener.losses)
    assert listener.results == [result]
    assert listener.closed == 1


def test_columns_of_metrics(tmp_path: Path) -> None:
    run(tmp_path, epochs=1)
    train_row, val_row = rows(tmp_path)
    expected = {"loss", "loss_encoder", "loss_head", "consistency", "grad_norm_encoder", "grad_norm_head"}
    expected |= {"spread", "effective_rank", "lr_encoder", "lr_head", "seconds", "data_wait_share"}
    assert expected <= {name for name, value in train_row.items() if value}
    assert {name for name, value in val_row.items() if value} == {"epoch", "step", "split", "loss", "worst", "seconds"}


def test_learning_rate_follows_warmup_and_cosine_for_each_optimizer(tmp_path: Path) -> None:
    listener = Listener()
    run(tmp_path, report=listener)
    train_rows = [row for row in rows(tmp_path) if row["split"] == "train"]
    factors = [1.0, *(0.5 * (1 + math.cos(math.pi * (e + 0.8 - 1) / (EPOCHS - 1))) for e in (1, 2, 3))]
    for name, peak in (("lr_encoder", 0.05), ("lr_head", 0.05)):
        assert [float(row[name]) for row in train_rows] == pytest.approx([peak * factor for factor in factors])
    assert listener.summaries[0].lr == 0.05


def test_start_and_end_are_shares_of_each_groups_own_peak(tmp_path: Path) -> None:
    run(tmp_path, lr=0.25, start_lr=0.05, end_lr=0.1, warmup_epochs=2.0)
    train_rows = [row for row in rows(tmp_path) if row["split"] == "train"]
    warming = [0.2 + 0.8 * (e + 0.8) / 2 for e in (0, 1)]
    factors = [*warming, *(0.4 + 0.6 * 0.5 * (1 + math.cos(math.pi * (e + 0.8 - 2) / 2)) for e in (2, 3))]
    for name, peak in (("lr_encoder", 0.25), ("lr_head", 0.05)):
        assert [float(row[name]) for row in train_rows] == pytest.approx([peak * factor for factor in factors])


def test_a_constant_schedule_leaves_the_learning_rate_alone(tmp_path: Path) -> None:
    run(tmp_path, schedule="constant")
    rates = [float(row["lr_encoder"]) for row in rows(tmp_path) if row["split"] == "train"]
    assert rates == [0.05] * EPOCHS


def test_a_line_falls_from_epoch_to_epoch(tmp_path: Path) -> None:
    def rates(name: str, **how: Any) -> list[float]:
        run(tmp_path / name, schedule="linear", **how)
        return [float(row["lr_encoder"]) for row in rows(tmp_path / name) if row["split"] == "train"]

    assert rates("half") == pytest.approx([0.05, 0.05, 0.05 * 2 / 3, 0.05 / 3])
    assert rates("one", constant_epochs=1.0) == pytest.approx([0.05, 0.05 * 0.75, 0.05 * 0.5, 0.05 * 0.25])
    assert rates("end", end_lr=0.02) == pytest.approx([0.05, 0.05, 0.04, 0.03])


def test_a_resumed_line_is_the_same_one_in_other_words_but_no_other(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        run(tmp_path, schedule="linear", report=Listener(7, lambda: os.kill(os.getpid(), signal.SIGINT)))
    with pytest.raises(BadInput, match=r"--constant-epochs: 2.0 in the run, 1 now"):
        run(tmp_path, resume=True, schedule="linear", constant_epochs=1)
    assert run(tmp_path, resume=True, schedule="linear", constant_epochs=EPOCHS / 2).epochs == EPOCHS


def test_best_is_the_lowest_validation_loss_and_is_no_resume_file(tmp_path: Path) -> None:
    result = run(tmp_path, epochs=8, lr=0.3)
    losses = [float(row["loss"]) for row in rows(tmp_path) if row["split"] == "val"]
    assert result.best_loss == min(losses)
    assert result.best_epoch == losses.index(min(losses)) + 1
    method = ToyMethod()
    assert restore_best(method, result.best) == result.best_epoch
    assert content_checksum(dict(method.state_dict())) == content_checksum(read_checkpoint(result.best)["method"])
    assert "runner" not in read_checkpoint(tmp_path / FOLDER / BEST)


def test_without_validation_the_last_epoch_is_the_best(tmp_path: Path) -> None:
    result = run(tmp_path, source=ToySource(validation=False))
    assert (result.best_epoch, result.best_loss) == (EPOCHS, None)
    last = read_checkpoint(result.last)["runner"]["method"]
    assert content_checksum(read_checkpoint(result.best)["method"]) == content_checksum(last)
    assert {row["split"] for row in rows(tmp_path)} == {"train"}


def test_validation_does_not_change_what_is_trained(tmp_path: Path) -> None:
    """The toy's validation draws random numbers; the twin lets them reach the training's generator."""

    def weights(name: str, **how: Any) -> str:
        result = run(tmp_path / name, **how)
        return content_checksum(read_checkpoint(result.last)["runner"]["method"])

    without = weights("without", source=ToySource(validation=False))
    assert weights("with") == without
    validation = loop.run_validation

    def leaking(*arguments: Any) -> Any:
        torch.rand(1)
        return validation(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "run_validation", leaking)
        assert weights("leaking") != without


def test_only_training_batches_are_augmented(tmp_path: Path) -> None:
    source = ToySource()
    run(tmp_path, source=source, epochs=2)
    assert source.asked == [(0, 0, True), (0, 0, False), (1, 0, True), (0, 0, False)]


def test_start_depends_on_the_seed_alone(tmp_path: Path) -> None:
    def weights(name: str, **how: Any) -> str:
        random.random(), np.random.rand(), torch.rand(1)  # whatever ran before
        result = run(tmp_path / name, **how)
        return content_checksum(read_checkpoint(result.last)["runner"]["method"])

    assert weights("a") == weights("b")
    assert weights("c", seed=1) != weights("d")


@pytest.mark.parametrize(
    "changed",
    [
        {"clip": 0.01},
        {"momentum": 0.0},
        {"weight_decay": 0.1},
        {"lr": 0.02},
        {"optimizer": "adam"},
        {"warmup_epochs": 0.0},
        {"start_lr": 0.04},
        {"end_lr": 0.04},
        {"schedule": "linear"},
        {"schedule": "linear", "constant_epochs": 0.0},
        {"optimizer": "lars"},
        {"precision": "bf16"},
    ],
    ids=str,
)
def test_every_setting_changes_the_result(tmp_path: Path, changed: dict[str, Any]) -> None:
    checksums = [
        content_checksum(read_checkpoint(run(tmp_path / name, epochs=2, **how).last)["runner"]["method"])
        for name, how in (("plain", {}), ("changed", changed))
    ]
    assert checksums[0] != checksums[1]


def test_checkpoint_steps_save_within_an_epoch(tmp_path: Path) -> None:
    places: list[int] = []

    def look() -> None:
        loaded = load_checkpoint(tmp_path / FOLDER)
        places.append(loaded.content["place"]["step"] if loaded else 0)

    class Looks(Listener):
        def step(self, done: int, losses: Any) -> None:
            look()

    run(tmp_path, report=Looks(), epochs=2, checkpoint_steps=2)
    assert places == [0, 0, 2, 2, 4, 5, 6, 6, 8, 8]


class Poisoned(ToySource):
    """A source whose batch `at` (counted over the run) holds a NaN voxel."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at, self.count = at, 0
        self.bad: list[str] = []

    def batches(self, plans: Sequence[Any], epoch: int, start: int = 0, *, training: bool = True) -> Iterator[ToyBatch]:
        for batch in super().batches(plans, epoch, start, training=training):
            self.count += training
            if training and self.count == self.at:
                batch.volumes[0, 0, 0, 0] = math.nan
                self.bad = batch.cases
            yield batch


def test_first_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_good_checkpoint(tmp_path: Path) -> None:
    source = Poisoned(at=9)
    with pytest.raises(RunFailed) as error:
        run(tmp_path, source=source)
    text = "\n".join(error.value.problems)
    assert "step 9 (epoch 2, batch 4 of 5) is nan" in text
    assert ", ".join(source.bad) in text
    assert "epoch 2, after batch 1 (step 6)" in text
    content = read_checkpoint(tmp_path / FOLDER / LAST)
    assert content["place"]["step"] == 6
    assert all(torch.isfinite(tensor).all() for tensor in content["runner"]["method"].values())


def test_devices_that_are_read_rarely_still_never_save_what_is_not_finite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "read_every", lambda device: 1000)
    with pytest.raises(RunFailed, match=r"step 8 \(epoch 2, batch 3 of 5\) is nan"):
        run(tmp_path, source=Poisoned(at=8))
    assert read_checkpoint(tmp_path / FOLDER / LAST)["place"]["step"] == 6


def test_ctrl_c_saves_after_the_step_and_the_resumed_run_ends_as_if_nothing_had_been(tmp_path: Path) -> None:
    run(tmp_path / "whole")
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted, match=r"Stopped by Ctrl-C\..*epoch 2, after batch 2 \(step 7\).*--resume"):
        run(tmp_path / "cut", report=Listener(7, lambda: os.kill(os.getpid(), signal.SIGINT)))
    assert signal.getsignal(signal.SIGINT) is handler
    listener = Listener()
    result = run(tmp_path / "cut", resume=True, report=listener)
    assert listener.started[0] == (2, EPOCHS, BATCHES, 2)
    assert result.steps == EPOCHS * BATCHES
    ends = [read_checkpoint(tmp_path / name / FOLDER / LAST)["runner"]["method"] for name in ("whole", "cut")]
    assert content_checksum(ends[0]) == content_checksum(ends[1])


def test_second_ctrl_c_stops_at_once(tmp_path: Path) -> None:
    def twice() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    listener = Listener(8, twice)
    with pytest.raises(Interrupted, match=r"Stopped at once\. .*epoch 2, after batch 1 \(step 6\)"):
        run(tmp_path, report=listener)
    assert listener.closed == 1


def interrupt(folder: Path, step: int = 7) -> None:
    with pytest.raises(Interrupted):
        run(folder, report=Listener(step, lambda: os.kill(os.getpid(), signal.SIGINT)))


def test_resume_with_other_options_or_settings_is_refused(tmp_path: Path) -> None:
    interrupt(tmp_path)
    with pytest.raises(BadInput) as error:
        run(tmp_path, resume=True, lr=0.1, epochs=9, options={"variable": "gfr"})
    text = "\n".join(error.value.problems)
    assert "--lr: 0.05 in the run, 0.1 now" in text
    assert f"--epochs: {EPOCHS} in the run, 9 now" in text
    assert "--variable: not given in the run, gfr now" in text
    assert run(tmp_path, resume=True, checkpoint_steps=None, options={"workers": 4}).epochs == EPOCHS


def test_a_folder_that_holds_a_training_is_not_overwritten(tmp_path: Path) -> None:
    interrupt(tmp_path)
    with pytest.raises(BadInput, match=r"--resume.*--overwrite"):
        run(tmp_path)


def test_resume_of_a_run_killed_before_its_first_checkpoint_starts_at_the_beginning(tmp_path: Path) -> None:
    listener = Listener()
    result = run(tmp_path, resume=True, report=listener)
    assert result.steps == EPOCHS * BATCHES
    assert "starts from the beginning" in listener.texts[0]


def test_resume_of_a_finished_run_changes_nothing(tmp_path: Path) -> None:
    first = run(tmp_path)
    before = {file.name: file.read_bytes() for file in (tmp_path / FOLDER).iterdir()}
    again = run(tmp_path, resume=True)
    assert {file.name: file.read_bytes() for file in (tmp_path / FOLDER).iterdir()} == before
    assert (again.steps, again.best_epoch, again.best_loss, again.last_loss) == (
        first.steps,
        first.best_epoch,
        first.best_loss,
        first.last_loss,
    )


def test_resume_tells_of_a_torn_checkpoint_and_of_another_thread_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt(tmp_path)
    os.truncate(tmp_path / FOLDER / LAST, 100)
    threads = torch.get_num_threads()
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads + 1)
    listener = Listener()
    run(tmp_path, resume=True, report=listener)
    torn, other = listener.warned
    assert "last.pt is torn or damaged" in torn
    assert f"CPU threads {threads}, this is {threads + 1}" in other


def test_resume_into_another_network_is_refused(tmp_path: Path) -> None:
    interrupt(tmp_path)
    method = ToyMethod()
    method.head = torch.nn.Linear(8, 2)
    with pytest.raises(BadInput, match="does not fit this medcl's network"):
        run(tmp_path, resume=True, method=method)


def test_full_disk_ends_the_run_with_the_previous_checkpoint_to_resume_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill() -> None:
        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(torch, "save", full)

    with pytest.raises(RunFailed) as error:
        run(tmp_path, report=Listener(8, fill))
    assert "disk is full" in error.value.problems[0]
    assert "epoch 2, after batch 1 (step 6)" in error.value.problems[-1]
    monkeypatch.undo()
    assert run(tmp_path, resume=True).steps == EPOCHS * BATCHES


class Collapsed(ToyMethod):
    """All embeddings are equal, and the loss stays near its collapse value."""

    collapse_loss = 1.0

    def steps(self, batch: ToyBatch) -> Iterator[Any]:
        for step in super().steps(batch):
            same = torch.ones(IMAGES, 8) if step.embeddings is not None else None
            zero = 0 * step.loss
            yield type(step)(step.optimizer, zero + (0.999 if same is not None else 0), {}, same)


def test_collapse_is_warned_about_while_it_runs(tmp_path: Path) -> None:
    listener = Listener()
    result = run(tmp_path, report=listener, method=Collapsed())
    assert [text.split(":")[0] for text in listener.warned] == ["Epoch 2", "Epoch 2", "Epoch 3"]
    assert tuple(listener.warned) == result.warnings
    assert float(rows(tmp_path)[0]["collapse_distance"]) == pytest.approx(-0.001, abs=1e-6)


def assert_warned_like_an_unbroken_run(folder: Path) -> None:
    unbroken = run(folder / "whole", method=Collapsed()).warnings
    before, after = Listener(13, lambda: os.kill(os.getpid(), signal.SIGINT)), Listener()
    with pytest.raises(Interrupted):
        run(folder / "cut", report=before, method=Collapsed())
    result = run(folder / "cut", report=after, method=Collapsed(), resume=True)
    assert tuple(before.warned + after.warned) == unbroken, "warnings were repeated or forgotten"
    assert result.warnings == unbroken


def test_a_resumed_run_neither_repeats_nor_forgets_a_warning(tmp_path: Path) -> None:
    assert_warned_like_an_unbroken_run(tmp_path)


def test_a_resume_that_forgets_what_was_told_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop.CollapseWatch, "load_state_dict", lambda self, state: None)
    with pytest.raises(AssertionError, match="repeated or forgotten"):
        assert_warned_like_an_unbroken_run(tmp_path)


def test_running_out_of_memory_is_told_with_the_step(tmp_path: Path) -> None:
    def run_out() -> None:
        torch.empty(1 << 60)

    with pytest.raises(RunFailed) as error:
        run(tmp_path, report=Listener(7, run_out), options={"micro_batch": 4})
    text = "\n".join(error.value.problems)
    assert "Out of memory at step 8 (epoch 2, batch 3 of 5): cpu (" in text
    assert "--micro-batch below 4" in text
    assert "epoch 2, after batch 1 (step 6)" in text


def test_running_out_of_memory_while_validating_is_told_as_that(tmp_path: Path) -> None:
    class Hungry(ToyMethod):
        def validate(self, batch: ToyBatch) -> Any:
            return torch.empty(1 << 60)

    with pytest.raises(RunFailed, match="Out of memory at the validation of epoch 1"):
        run(tmp_path, method=Hungry())


def test_running_out_of_memory_at_the_start_is_told_too(tmp_path: Path) -> None:
    class Huge(ToyMethod):
        def to(self, device: Any) -> Any:
            return torch.empty(1 << 60)

    with pytest.raises(RunFailed, match="Out of memory at the start of the training"):
        run(tmp_path, method=Huge())


def test_epoch_without_batches_or_without_a_loss_ends_clearly(tmp_path: Path) -> None:
    class Empty(ToySource):
        def epoch(self, epoch: int) -> list[Any]:
            return []

    class Silent(ToyMethod):
        def steps(self, batch: ToyBatch) -> Iterator[Any]:
            return iter(())

    with pytest.raises(BadInput, match="Epoch 1 has no batches: too few samples for --batch-size"):
        run(tmp_path / "a", source=Empty())
    with pytest.raises(RunFailed, match="No batch of epoch 1 gave a loss"):
        run(tmp_path / "b", method=Silent())


def test_source_that_stops_early_is_a_fault(tmp_path: Path) -> None:
    class Short(ToySource):
        def batches(self, plans: Sequence[Any], epoch: int, start: int = 0, *, training: bool = True) -> Any:
            return super().batches(plans[:-1] if training else plans, epoch, start, training=training)

    with pytest.raises(RuntimeError, match="fewer batches than it has plans"):
        run(tmp_path, source=Short())


def test_waiting_for_data_is_measured(tmp_path: Path) -> None:
    slow = run(tmp_path / "slow", source=ToySource(seconds=0.02), epochs=1)
    assert slow.seconds["data_wait"] == pytest.approx(BATCHES * 0.02, rel=0.5)
    assert slow.waiting_share > run(tmp_path / "fast", epochs=1).waiting_share
    assert float(rows(tmp_path / "slow")[0]["data_wait_share"]) == pytest.approx(slow.waiting_share)


def test_nothing_is_told_unless_someone_listens(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(ToyMethod(), ToySource(), settings(epochs=1), tmp_path, device=CPU)
    assert capsys.readouterr() == ("", "")
    assert {file.name for file in (tmp_path / FOLDER).iterdir()} == {LAST, PREVIOUS, BEST}


def test_global_state_is_given_back(tmp_path: Path) -> None:
    run(tmp_path, epochs=1)
    assert not torch.are_deterministic_algorithms_enabled()
