"""A step never reads a number from the device: on a GPU every such reading would make the host wait.

What torch calls a reading is the same on every device, so it is looked for on the CPU; a GPU's own word is asked below.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from medcl.data.augment import Augmentation
from medcl.data.loader import Batch, Loader
from medcl.data.segmentation_options import SegmentationTaskOptions
from medcl.data.segmentation_task import SegmentationTask
from medcl.data.task_options import TaskOptions
from medcl.data.tasks import build_task
from medcl.losses import cross_entropy_dice
from medcl.methods.build import MethodOptions, build_method
from medcl.methods.dense import DenseOptions
from medcl.methods.ideal import Ideal, IdealOptions
from medcl.networks.segmenter import build_segmenter
from medcl.training.runner import StepRunner
from medcl.training.settings import TrainingSettings
from tests.methods.small_study import samples
from tests.methods.textured_study import CLASSES, textured_study

SIZE = (6, 16, 16)
READINGS = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "equal", "is_nonzero")
KINDS = [
    ("variable", "sampled"),
    ("variable", "in-batch"),
    ("simclr", "sampled"),
    ("dense", "feature"),
    ("dense", "geometric"),
]
SEGMENTING = {
    "supervised": IdealOptions(),
    "ideal": IdealOptions(weight=1.0, ramp_steps=2, confidence=0.3),
    "teacher": IdealOptions(teacher=0.9),
    "mix": IdealOptions(mix=True),
    "mix with a teacher": IdealOptions(mix=True, teacher=0.9),
}


class Waited(Exception):
    """A number was read."""


class NoReading(TorchDispatchMode):
    """Refuses operations whose outcome the host must know."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if name in READINGS:
            raise Waited(name)
        return func(*args, **(kwargs or {}))


def made(name: str, pairs: Any, device: torch.device, micro_batch: int | None) -> tuple[StepRunner, list[Batch], Any]:
    seen = samples(SIZE)
    options = TaskOptions(seed=0, epochs=1, batch_size=8, pairs=24, steps=3, thresholds="10,30")
    task = build_task(name, pairs, seen, options)
    dense = DenseOptions(pairs) if name == "dense" else DenseOptions()
    of_method = MethodOptions(network="resnet10", micro_batch=micro_batch, dense=dense)
    method = build_method(name, pairs, SIZE, 8, of_method)
    loader = Loader(seen, Augmentation(), seed=0, device=device)
    plans = task.epoch(0)
    return StepRunner(method, TrainingSettings(epochs=1), device), list(loader.batches(plans, 0)), (loader, plans)


def made_segmenting(name: str, device: torch.device) -> tuple[StepRunner, list[Batch], Any]:
    """As `made`, of the methods of `medcl segment train`; an image's mask is hidden or shown."""
    seen = textured_study(0, train=4, val=0, test=0)
    supervised = name == "supervised"
    task = SegmentationTask(seen, ["P000"], SegmentationTaskOptions(batch_size=6, supervised=supervised, steps=3))
    decoders = ["transposed"] if supervised else ["transposed", "bilinear"]
    method = Ideal(build_segmenter("resnet10", seen.size, len(CLASSES) + 1, decoders), SEGMENTING[name])
    loader = Loader(seen, Augmentation(), seed=0, device=device, classes=CLASSES)
    plans = task.epoch(0)
    return StepRunner(method, TrainingSettings(epochs=1), device), list(loader.batches(plans, 0)), (loader, plans)


@pytest.mark.parametrize("micro_batch", [None, 3])
@pytest.mark.parametrize(("name", "pairs"), KINDS)
def test_a_step_reads_nothing(name: str, pairs: str, micro_batch: int | None) -> None:
    runner, batches, _ = made(name, pairs, torch.device("cpu"), micro_batch)
    for index, batch in enumerate(batches):
        with NoReading():
            runner.run(batch, 0, index, len(batches), index)
    assert runner.sums.means()["loss"] > 0


@pytest.mark.parametrize("name", SEGMENTING)
def test_a_step_of_a_segmentation_reads_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # on the CPU alone, torch's own looks whether all of the indices are classes
    monkeypatch.setattr(cross_entropy_dice, "one_hot", lambda labels, count: labels[..., None] == torch.arange(count))
    runner, batches, _ = made_segmenting(name, torch.device("cpu"))
    for index, batch in enumerate(batches):
        with NoReading():
            runner.run(batch, 0, index, len(batches), index)
    assert runner.sums.means()["loss"] > 0


def test_a_reading_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: a method that asks for its loss."""
    runner, (batch, *_), _ = made("variable", "sampled", torch.device("cpu"), None)
    monkeypatch.setattr(runner.method, "after_step", lambda epoch, step: batch.volumes.sum().item())
    with pytest.raises(Waited), NoReading():
        runner.run(batch, 0, 0, 3, 0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize(("name", "pairs"), KINDS)
def test_a_gpu_is_not_waited_for_in_loading_augmenting_and_stepping(name: str, pairs: str) -> None:
    stepped_without_waiting(*made(name, pairs, torch.device("cuda"), None))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", SEGMENTING)
def test_a_gpu_is_not_waited_for_in_a_segmentation(name: str) -> None:
    stepped_without_waiting(*made_segmenting(name, torch.device("cuda")))


def stepped_without_waiting(runner: StepRunner, batches: list[Batch], source: Any) -> None:
    """Run an epoch in which torch refuses to wait for the GPU."""
    loader, plans = source
    runner.run(batches[0], 0, 0, len(batches), 0)  # the first step chooses algorithms
    loader.waited = 0.0
    torch.cuda.set_sync_debug_mode("error")
    try:
        for index, batch in enumerate(loader.batches(plans, 1)):
            runner.run(batch, 0, index, len(plans), index)
    finally:
        torch.cuda.set_sync_debug_mode("default")
