"""A training in the folder of a run or a fold: who is held out, what is trained on, and the training itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from medcl.data.plan import Task
from medcl.data.source import TaskSource
from medcl.study.files import write_json
from medcl.study.splits import Splits
from medcl.training.after_epoch import AfterEpoch
from medcl.training.distributed import is_main
from medcl.training.loop import train
from medcl.training.method import Method
from medcl.training.progress import reporter
from medcl.training.result import TrainingResult
from medcl.workflows.training_options import TrainingOptions
from medcl.workflows.training_run import plain


def train_in(
    folder: Path,
    method: Method,
    task: Task,
    source: TaskSource,
    splits: Splits,
    options: TrainingOptions,
    *,
    device: torch.device,
    inputs: Mapping[str, str],
    title: str = "",
    after_epoch: AfterEpoch | None = None,
    **settled: Any,
) -> TrainingResult:
    """Write splits.csv and task.json, and train or go on; of several ranks the first one writes and reports.

    Args:
        folder: of the run, or of a fold of it.
        method, task, source: ready to train.
        splits: of this folder alone.
        options: of the command.
        device: where it trains.
        inputs: hashes of what goes in.
        title: before the progress, such as "fold 1 of 5".
        after_epoch: called on the first rank after each epoch's validation with the number of epochs that are over.
        settled: options that were settled otherwise than asked for, such as micro_batch.
    """
    report = None
    if is_main():
        folder.mkdir(exist_ok=True)
        splits.write(folder / "splits.csv")
        write_json(folder / "task.json", task.describe())
        report = reporter(title)
        for note in task.notes:
            report.message(note)
    return train(
        method,
        source,
        options.settings(),
        folder,
        report,
        device=device,
        options={**plain(options), **settled, "inputs": dict(inputs)},
        resume=options.resume,
        after_epoch=after_epoch,
    )
