"""A broken batch of the real data's way is saved by each process that shares it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from medcl.data.augment import Augmentation
from medcl.data.loader import Loader
from medcl.data.source import TaskSource
from medcl.data.task_options import TaskOptions
from medcl.data.tasks import build_task
from medcl.methods.build import MethodOptions, build_method
from medcl.study.errors import RunFailed
from medcl.training.distributed import own_rows
from medcl.training.loop import train
from medcl.training.saved_batch import STEM
from medcl.training.settings import TrainingSettings
from tests.methods.small_study import Size, Store, samples
from tests.training.ranks import in_ranks

CPU = torch.device("cpu")
SIZE: Size = (6, 16, 16)
BAD = "P05_M3"


class Poisoned(Store):
    """A study with one voxel of one image that is not finite."""

    def read(self, entry: Any, out: np.ndarray | None = None) -> np.ndarray:
        """Return the volume."""
        volume = super().read(entry, out)
        if entry.case == BAD:
            volume[3, 8, 8] = math.nan
        return volume


def broken_training(folder: Path) -> list[str]:
    """Train until it breaks; return what is told."""
    seen = samples(SIZE)
    seen.store.__class__ = Poisoned
    options = TaskOptions(seed=3, epochs=2, batch_size=24, steps=1, thresholds="10,30")
    task = build_task("variable", "in-batch", seen, options)
    method = build_method("variable", "in-batch", SIZE, 24, MethodOptions(network="resnet10"))
    source = TaskSource(task, Loader(seen, Augmentation(), seed=3, device=CPU), own_rows)
    settings = TrainingSettings(epochs=2, precision="fp32", seed=3)
    try:
        train(method, source, settings, folder, device=CPU)
    except RunFailed as error:
        return error.problems
    return []


def broken_cases(file: Path) -> list[str]:
    """The cases of a saved batch's volumes that are not finite."""
    content = torch.load(file, weights_only=True)
    assert len(content["volume_cases"]) == len(content["volumes"])
    assert len(content["cases"]) == len(content["targets"]["label"])
    bad = ~content["volumes"].flatten(1).isfinite().all(dim=1)
    return [case for case, is_bad in zip(content["volume_cases"], bad.tolist(), strict=True) if is_bad]


def test_one_process_saves_the_batch(tmp_path: Path) -> None:
    told = broken_training(tmp_path)
    assert f"Voxels that are not finite came in with: {BAD}." in told
    assert broken_cases(tmp_path / f"{STEM}.pt") == [BAD]


@pytest.mark.ddp
@pytest.mark.slow
def test_each_of_two_processes_saves_its_share(tmp_path: Path) -> None:
    told = in_ranks(2, broken_training, tmp_path / "ranks", tmp_path / "run")
    files = [tmp_path / "run" / f"{STEM}-rank-{rank}.pt" for rank in (0, 1)]
    assert sorted(broken_cases(files[0]) + broken_cases(files[1])) == [BAD]
    contents = [torch.load(file, weights_only=True) for file in files]
    assert contents[0]["volume_cases"] + contents[1]["volume_cases"] == contents[0]["cases"]
    for sentences, file in zip(told, files, strict=True):
        text = "\n".join(sentences)
        assert str(file) in text
        assert f"{STEM}-rank-*.pt" in text
        assert ("All voxels of this process's share were finite" in text) == (not broken_cases(file))
