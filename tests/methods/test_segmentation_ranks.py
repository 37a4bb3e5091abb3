"""Two processes that share every batch end a segmentation training like one: real network, task, augmentation, loop.

Batches are shared so that one process has more labelled images than the other. Copy-paste mixing is left out: it pairs
images of one process.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from medcl.data.augment import Augmentation
from medcl.data.loader import Loader
from medcl.data.segmentation_options import SegmentationTaskOptions
from medcl.data.segmentation_task import SegmentationTask
from medcl.methods import ideal
from medcl.methods.ideal import Ideal, IdealOptions
from medcl.networks.segmenter import build_segmenter
from medcl.training import loop, runner
from medcl.training.distributed import own_rows, rank, shard_sizes
from medcl.training.loop import train
from medcl.training.randomness import seed_everything
from medcl.training.settings import TrainingSettings
from tests.methods.double_source import DoubleSource
from tests.methods.metrics_rows import rows_of
from tests.methods.textured_study import CLASSES, textured_study
from tests.training.ranks import in_ranks

pytestmark = [pytest.mark.ddp, pytest.mark.slow]

CPU = torch.device("cpu")
SETTINGS = TrainingSettings(epochs=1, lr=0.02, precision="fp32", seed=3)
BATCH = 11
LABELLED_SHARE = 0.45
"""Of eleven images five are labelled: two of the first process's six, and three of the second's five."""


@dataclass(frozen=True)
class Case:
    """A training; without `options` it is the supervised one."""

    options: IdealOptions | None
    broken: str = ""


SUPERVISED = Case(None)
BOTH = Case(IdealOptions(weight=1.0, ramp_steps=2))
TEACHER = Case(IdealOptions(weight=1.0, teacher=0.9, confidence=0.3))
KINDS = {"supervised": SUPERVISED, "ideal": BOTH, "teacher": TEACHER}
TWINS = {
    f"{name} {what}": replace(KINDS[name], broken=what) for name in KINDS for what in ("counts", "norms", "averaging")
}


def trained(folder: Path, cases: list[Case]) -> list[dict[str, Any]]:
    """The weights, buffers and count of steps on this rank after the training of each case, in a folder of its own."""
    ended = []
    for number, case in enumerate(cases):
        with pytest.MonkeyPatch.context() as patch:
            for save in ("save_checkpoint", "save_best"):  # gigabytes that nobody reads
                patch.setattr(loop, save, lambda *_: None)
            _break(case.broken, patch)
            ended.append(_train(folder / str(number), case))
    return ended


def _train(folder: Path, case: Case) -> dict[str, Any]:
    samples = textured_study(0, train=5, val=2, test=0, slices=3)
    task = SegmentationTask(samples, ["P000", "P001"], task_options(case))
    seed_everything(3)
    decoders = ["transposed"] if case.options is None else ["transposed", "bilinear"]
    method = Ideal(
        build_segmenter("resnet10", samples.size, len(CLASSES) + 1, decoders), case.options or IdealOptions()
    )
    method.double()
    loader = Loader(samples, Augmentation(), seed=3, device=CPU, classes=CLASSES)
    own = folder if rank() == 0 else folder / "others-write-nothing"
    train(method, DoubleSource(task, loader, own_rows), SETTINGS, own, device=CPU)
    assert rank() == 0 or not own.exists()
    state = method.state_dict()
    return {name: value.clone() if isinstance(value, Tensor) else value for name, value in state.items()}


def task_options(case: Case) -> SegmentationTaskOptions:
    """Three steps of unequal shares."""
    return SegmentationTaskOptions(
        seed=3, batch_size=BATCH, supervised=case.options is None, labelled_share=LABELLED_SHARE, steps=3
    )


def _break(what: str, patch: pytest.MonkeyPatch) -> None:
    if what == "counts":  # as if each process had the batch for itself
        patch.setattr(ideal, "whole_batch_mean", _share_mean)
    if what == "norms":
        patch.setattr(runner, "gather_norms", lambda module, device: None)
    if what == "averaging":
        patch.setattr(runner, "average_gradients", lambda parameters: None)


def _share_mean(here: Tensor, count: int) -> Tensor:
    """The mean over this process's own images; `count` tells which are meant."""
    shares = {5: [2, 3], 6: [4, 2], BATCH: shard_sizes(BATCH)}  # labelled, unlabelled, all that are labelled
    return here / shares[count][rank()]


@dataclass(frozen=True)
class Ended:
    """How the cases ended in one process and on each of two ranks."""

    cases: list[Case]
    one: Path
    two: Path
    alone: list[dict[str, Any]]
    ranks: list[list[dict[str, Any]]]

    def distance(self, case: Case) -> float:
        """Largest difference of any weight or buffer between the ranks' `case` and the one process's sound one."""
        alone = self.alone[self.cases.index(replace(case, broken=""))]
        of_ranks = [ended[self.cases.index(case)] for ended in self.ranks]
        tensors = [name for name, value in alone.items() if isinstance(value, Tensor)]
        return max(float((alone[name] - each[name]).abs().max()) for each in of_ranks for name in tensors)


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    folder = tmp_path_factory.mktemp("segmentation-ranks")
    one, two = folder / "one", folder / "two"
    kinds = list(KINDS.values())
    (alone,) = in_ranks(1, trained, folder / "meeting of one", one, kinds)
    cases = [*kinds, *TWINS.values()]
    return Ended(cases, one, two, alone, in_ranks(2, trained, folder / "meeting of two", two, cases))


@pytest.mark.parametrize("name", KINDS)
def test_shares_hold_unequal_numbers_of_labelled_images(name: str) -> None:
    """What the twin `counts` needs, and what `_share_mean` says."""
    case = KINDS[name]
    samples = textured_study(0, train=5, val=2, test=0, slices=3)
    for plan in SegmentationTask(samples, ["P000", "P001"], task_options(case)).epoch(0):
        labelled = plan.targets["labelled"]
        shares = [int(labelled[:6].sum()), int(labelled[6:].sum())]
        assert shares == ([6, 5] if case.options is None else [2, 3])


@pytest.mark.parametrize("name", KINDS)
def test_two_ranks_end_like_one_process(ended: Ended, name: str) -> None:
    case = KINDS[name]
    assert ended.distance(case) < 1e-9
    number = ended.cases.index(case)
    for of_rank in ended.ranks:
        assert of_rank[number]["_extra_state"] == ended.alone[number]["_extra_state"] == {"steps_done": 3}
    for mine, theirs in zip(rows_of(ended.one / str(number)), rows_of(ended.two / str(number)), strict=True):
        for a, b in zip(mine, theirs, strict=True):
            # shares of voxels are counted in float32
            assert a == b or float(a) == pytest.approx(float(b), rel=1e-6), (mine, theirs)


@pytest.mark.parametrize("name", TWINS)
def test_ranks_that_do_not_exchange_end_elsewhere(ended: Ended, name: str) -> None:
    """The twin: without one part of the exchange the same comparison fails."""
    assert ended.distance(TWINS[name]) > 1e-6
