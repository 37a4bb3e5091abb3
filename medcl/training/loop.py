"""The one training loop: what is special to a method is in the method, what is special to the data in the source.

A run that is killed at any moment and resumed ends, on the CPU of one machine with one thread count, bit for bit like
the run that was not killed: a checkpoint holds the weights with teachers and buffers, the optimizers, the scaler, the
place in the epoch, the running sums and every random state, and the schedule is a pure function of the place.

With several ranks each runs this loop on its share of every batch. Weights, optimizers and place are the same on all;
random states and running sums are kept for each. The first rank writes and reports; where ranks could come to different
decisions (a signal that reached one of them), they ask each other.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from medcl import __version__
from medcl.study.errors import BadInput, RunFailed
from medcl.training.after_epoch import AfterEpoch, call_after_epoch
from medcl.training.checkpoint import (
    BEST,
    FOLDER,
    LAST,
    Loaded,
    has_checkpoint,
    load_checkpoint,
    remove_unfinished,
    save_best,
    save_checkpoint,
)
from medcl.training.device import describe_device
from medcl.training.distributed import any_rank, barrier, gather_objects, is_main, mean_numbers, rank, world_size
from medcl.training.epoch_record import EpochRecord, losses_of
from medcl.training.finite import NotFinite, read_every
from medcl.training.health import CollapseWatch
from medcl.training.interrupt import Interrupted, Interruption
from medcl.training.keeps_last import keeps_last
from medcl.training.memory import peak_memory
from medcl.training.method import Method
from medcl.training.metrics import Metrics
from medcl.training.out_of_memory import out_of_memory_told
from medcl.training.phased import begin_epoch
from medcl.training.place import Place
from medcl.training.randomness import (
    capture_randomness,
    deterministic_algorithms,
    restore_randomness,
    seed_everything,
)
from medcl.training.report import Reporter, SilentReport
from medcl.training.result import TrainingResult
from medcl.training.resume import MAY_CHANGE, refuse_changed_options
from medcl.training.runner import StepRunner
from medcl.training.saved_batch import save_broken_batch
from medcl.training.saved_options import run_options, tell_other_machine
from medcl.training.settings import TrainingSettings
from medcl.training.source import Batch, Source
from medcl.training.tensorboard import TensorBoardLog
from medcl.training.validation import run_validation


def train(
    method: Method,
    source: Source,
    settings: TrainingSettings,
    folder: Path,
    report: Reporter | None = None,
    *,
    device: torch.device,
    options: Mapping[str, Any] | None = None,
    may_change: Collection[str] = MAY_CHANGE,
    resume: bool = False,
    after_epoch: AfterEpoch | None = None,
) -> TrainingResult:
    """Train `method` on `source`, or continue the training that `folder` holds.

    Writes metrics.csv and checkpoints/last.pt, previous.pt and best.pt in `folder`, and the batch at which a loss or
    gradient was not finite. The method ends with the last epoch's weights (`restore_best` gives it the best ones).

    Args:
        method: built after `seed_everything(settings.seed)`, so that its first weights follow the seed.
        source: batches; see `Source`.
        settings: how steps become a run.
        folder: of the run or the fold.
        report: who is told; nobody unless given.
        device: from `resolve_device`; the source must put its batches there.
        options: everything else that defines the run (the command's options, the data's fingerprint); a resumed
            run must have the same.
        may_change: names of options that may differ in a resumed run.
        resume: continue from the last checkpoint; without one, start from the beginning.
        after_epoch: called on the first rank after each epoch's validation, before its checkpoint (`after_epoch.py`).

    Raises:
        BadInput: there is a checkpoint and `resume` is not asked for, or the options are not the run's.
        RunFailed: a loss or gradient is not finite, memory ran out, the disk is full, `after_epoch` failed.
        Interrupted: a signal, after a checkpoint was saved.
    """
    report = report if report is not None and is_main() else SilentReport()
    options = run_options(settings, device, options or {})
    with out_of_memory_told(device, lambda: "the start of the training", options):
        training = _Training(method, source, settings, folder, report, device, options, after_epoch)
    seed_everything(settings.seed)
    try:
        with (
            deterministic_algorithms(device),
            Interruption() as interruption,
            out_of_memory_told(device, training.where, options),
        ):
            training.begin(resume, may_change)
            while training.place.epoch < settings.epochs:
                training.run_epoch(interruption)
        result = training.result()
        report.finished(result)
        return result
    except KeyboardInterrupt:
        raise Interrupted(f"Stopped at once. {training.how_to_resume()}") from None
    except Interrupted:
        raise
    except RunFailed as error:
        saved = save_broken_batch(error, source, folder) if isinstance(error, NotFinite) else []
        raise RunFailed([*error.problems, *saved, training.how_to_resume()]) from error
    finally:
        report.close()
        training.metrics.close()


class _Training:
    """One run in progress."""

    def __init__(
        self,
        method: Method,
        source: Source,
        settings: TrainingSettings,
        folder: Path,
        report: Reporter,
        device: torch.device,
        options: dict[str, Any],
        after_epoch: AfterEpoch | None,
    ) -> None:
        self.source = source
        self.settings = settings
        self.folder = folder
        self.checkpoints = folder / FOLDER
        self.report = report
        self.device = device
        self.options = options
        self.after_epoch = after_epoch
        self.runner = StepRunner(method, settings, device)
        self.metrics = Metrics(folder, [TensorBoardLog(folder)] if settings.tensorboard else [])
        self.place = Place()
        self.batches = 0
        self.beginning = False
        self.saved: Place | None = None
        self.collapse = CollapseWatch(settings.warmup)
        self.warnings: list[str] = []
        self.timed_epochs: list[float] = []

    def begin(self, resume: bool, may_change: Collection[str]) -> None:
        """Start at the beginning or at the last checkpoint."""
        if not resume:
            self._refuse_overwriting()
        else:
            self._go_on(may_change)
        barrier()  # nobody writes before everybody has read
        if is_main():
            remove_unfinished(self.checkpoints)
            self.metrics.cut_back(self.place.epoch)

    def run_epoch(self, interruption: Interruption) -> None:
        """Train the rest of an epoch, validate, and write it all down."""
        place = self.place
        plans = self.source.epoch(place.epoch)
        if not plans:
            raise BadInput(f"Epoch {place.epoch + 1} has no batches: too few samples for --batch-size.")
        self.batches = len(plans)
        self.report.epoch_started(place.epoch + 1, self.settings.epochs, len(plans), place.batch)
        self._begin_epoch()
        self.runner.method.train()
        batches = self._batches(plans)
        while place.batch < len(plans):
            self._train_batch(next(batches), len(plans))
            self._stop_if_asked(interruption)
        self._end_epoch()
        self._stop_if_asked(interruption)

    def result(self) -> TrainingResult:
        """Return what was done."""
        place = self.place
        return TrainingResult(
            epochs=place.epoch,
            steps=place.step,
            images=place.images,
            best_epoch=place.best_epoch,
            best_loss=place.best_loss,
            last_loss=place.last_loss,
            seconds=dict(self.runner.clock.run),
            validation_seconds=place.validation_seconds,
            peak_memory=peak_memory(self.device),
            best=self.checkpoints / BEST,
            last=self.checkpoints / LAST,
            warnings=tuple(self.warnings),
            keeps_last=keeps_last(self.runner.method),
        )

    def where(self) -> str:
        """Return what is being done, for messages."""
        place = self.place
        if not self.batches:
            return "the start of the training"
        if self.beginning:
            return f"the beginning of epoch {place.epoch + 1}"
        if place.batch == self.batches:
            return f"the validation of epoch {place.epoch + 1}"
        return f"step {place.step + 1} (epoch {place.epoch + 1}, batch {place.batch + 1} of {self.batches})"

    def how_to_resume(self) -> str:
        """Return the sentence for a run that was stopped."""
        if self.saved is None:
            return f"{self.folder} has no checkpoint yet: the same command with --resume starts it from the beginning."
        return (
            f"The last good checkpoint, of {self.saved.in_words()}, is {self.checkpoints / LAST}: "
            "the same command with --resume goes on from there."
        )

    def _begin_epoch(self) -> None:
        self.beginning = True
        for text in begin_epoch(self.runner.method, self.source, self.place.epoch, self.device):
            self.report.message(text)
        self.beginning = False

    def _batches(self, plans: Sequence[Any]) -> Iterator[Batch]:
        """Yield the epoch's batches from the place on, and refuse a source that stops early."""
        batches = iter(self.source.batches(plans, self.place.epoch, self.place.batch))
        self.runner.clock.restart(self.source.waited)
        for _ in range(self.place.batch, len(plans)):
            batch = next(batches, None)
            if batch is None:
                raise RuntimeError("the source made fewer batches than it has plans")
            self.runner.clock.fetched(self.source.waited)
            yield batch

    def _train_batch(self, batch: Batch, batches: int) -> None:
        place = self.place
        self.runner.run(batch, place.epoch, place.batch, batches, place.step)
        place.batch += 1
        place.step += 1
        place.images += len(batch.cases)
        place.epoch_images += len(batch.cases)
        losses = None
        if place.step % read_every(self.device) == 0:
            self.runner.check()
            losses = losses_of(self.runner.sums.means())
        self.report.step(place.batch, losses)
        every = self.settings.checkpoint_steps
        if every is not None and place.step % every == 0:
            self._save()

    def _end_epoch(self) -> None:
        place = self.place
        record = self._validated_record()
        collapse_loss = self.runner.method.collapse_loss  # a later phase may have another one, or none
        if is_main():
            self.metrics.append(*record.rows(place, collapse_loss))
        for text in self.collapse.warnings(place.epoch, record.means, collapse_loss):
            self.warnings.append(text)
            self.report.warning(text)
        best = self._keep_best(record.validation)
        call_after_epoch(self.after_epoch, self.runner.method, place.epoch + 1, self.device)
        place.epoch, place.batch, place.epoch_images = place.epoch + 1, 0, 0
        place.validation_seconds += record.validated
        place.last_loss = record.means["loss"]
        self.runner.sums.clear()
        self._save()
        self.timed_epochs.append(record.whole)
        left = (self.settings.epochs - place.epoch) * sum(self.timed_epochs) / len(self.timed_epochs)
        self.report.epoch_finished(record.summary(place.epoch, self.settings.epochs, best, left))

    def _validated_record(self) -> EpochRecord:
        """Validate, and return the numbers of the epoch whose last step is over."""
        runner, epoch = self.runner, self.place.epoch
        runner.check()
        means = mean_numbers(runner.sums.means())
        if "loss" not in means:
            raise RunFailed(f"No batch of epoch {epoch + 1} gave a loss: none had a usable pair.")
        rates, seconds = runner.learning_rates(), runner.clock.end_epoch()
        started = time.perf_counter()
        plans = self.source.validation()
        validation = run_validation(runner.method, self.source, plans, runner.precision, self.device, epoch)
        return EpochRecord(means, rates, seconds, validation, time.perf_counter() - started)

    def _keep_best(self, validation: Mapping[str, float] | None) -> bool:
        """Save best.pt when this epoch is the best so far; tell whether it is.

        Without validation each is, and none where the method keeps its last epoch.
        """
        place = self.place
        last = keeps_last(self.runner.method)
        if validation is not None:
            if not last and place.best_loss is not None and validation["loss"] >= place.best_loss:
                return False
            place.best_loss = validation["loss"]
        place.best_epoch = place.epoch + 1
        if is_main():
            weights = dict(self.runner.method.state_dict())
            save_best(
                self.checkpoints,
                {**self._card(), "epoch": place.best_epoch, "loss": place.best_loss, "method": weights},
            )
        return not last

    def _stop_if_asked(self, interruption: Interruption) -> None:
        """Stop after a checkpoint when a signal came to any rank; they ask each other when numbers are read anyway."""
        place = self.place
        if world_size() > 1 and place.batch and place.step % read_every(self.device):
            return
        if any_rank(interruption.asked) and place.epoch < self.settings.epochs:
            self._save()
            raise Interrupted(f"Stopped by {interruption.reason}. {self.how_to_resume()}")

    def _card(self) -> dict[str, Any]:
        return {
            "versions": {"medcl": __version__, "torch": str(torch.__version__)},
            "machine": {"threads": torch.get_num_threads(), "device": describe_device(self.device)},
            "options": self.options,
        }

    def _save(self) -> None:
        """Save a checkpoint of this place, never with anything in it that is not finite."""
        self.runner.check()
        own = {"randomness": capture_randomness(self.device), "runner": self.runner.own_state_dict()}
        ranks = gather_objects(own)
        if is_main():
            content = {
                **self._card(),
                "place": self.place.state_dict(),
                "runner": self.runner.state_dict(),
                "ranks": ranks,
                "collapse": self.collapse.state_dict(),
                "warnings": list(self.warnings),
            }
            save_checkpoint(self.checkpoints, content)
        barrier()
        self.saved = Place(**self.place.state_dict())
        self.runner.clock.restart(self.source.waited)

    def _go_on(self, may_change: Collection[str]) -> None:
        """Restore the last checkpoint where there is one."""
        loaded = load_checkpoint(self.checkpoints)
        if loaded is None:
            self.report.message(f"{self.folder} has no checkpoint yet: the run starts from the beginning.")
            return
        refuse_changed_options(loaded.content["options"], self.options, str(self.folder), may_change)
        self._restore(loaded)

    def _restore(self, loaded: Loaded) -> None:
        content = loaded.content
        try:
            own = content["ranks"][rank()]
            self.runner.load_state_dict(content["runner"])
            self.runner.load_own_state_dict(own["runner"])
            self.collapse.load_state_dict(content["collapse"])
            self.warnings = list(content["warnings"])
        except (KeyError, RuntimeError, ValueError) as error:
            raise BadInput(
                f"{loaded.file} does not fit this medcl's network or optimizers ({error}). Resume it with medcl "
                f"{content['versions']['medcl']}, or take its weights with --init-from."
            ) from error
        self.place = Place.from_state_dict(content["place"])
        self.saved = Place.from_state_dict(content["place"])
        restore_randomness(own["randomness"], self.device)
        for note in (*loaded.notes, *tell_other_machine(content, self._card())):
            self.report.warning(note)
        self.report.message(f"Resuming {self.folder} from {self.place.in_words()}.")

    def _refuse_overwriting(self) -> None:
        if has_checkpoint(self.checkpoints) or self.metrics.rows:
            raise BadInput(
                f"{self.folder} already holds a training: continue it with --resume, or replace it with --overwrite."
            )
