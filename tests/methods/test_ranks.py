"""Two processes that share every batch end a training like one: real networks, tasks, augmentation, dropout, loop."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
import torch
from torch import Tensor

from medcl.data.augment import Augmentation
from medcl.data.loader import Loader
from medcl.data.task_options import TaskOptions
from medcl.data.tasks import build_task
from medcl.methods import dense, embedder
from medcl.methods.build import MethodOptions, build_method
from medcl.methods.dense import DenseOptions
from medcl.training import loop, runner
from medcl.training.distributed import own_rows, rank
from medcl.training.loop import train
from medcl.training.randomness import seed_everything
from medcl.training.settings import TrainingSettings
from tests.methods.double_source import DoubleSource
from tests.methods.metrics_rows import rows_of
from tests.methods.small_study import samples
from tests.training.ranks import in_ranks

pytestmark = [pytest.mark.ddp, pytest.mark.slow]

CPU = torch.device("cpu")
SIZE = (6, 16, 16)
SETTINGS = TrainingSettings(epochs=1, lr=0.02, precision="fp32", seed=3)


FEATURES = DenseOptions()


@dataclass(frozen=True)
class Case:
    """A training: 7 images a batch are unequal shares for two ranks."""

    name: str = "variable"
    pairs: Literal["sampled", "in-batch"] = "in-batch"
    micro_batch: int | None = None
    broken: str = ""
    dense: DenseOptions = FEATURES


KINDS = [Case("variable", "sampled"), Case(), Case("patient"), Case("simclr", "sampled")]
UNDIVIDED, DIVIDED = Case(micro_batch=100), Case(micro_batch=2)
TWINS = [Case(broken=what) for what in ("norms", "gathering", "averaging", "randomness")]


def trained(folder: Path, cases: list[Case]) -> list[dict[str, Tensor]]:
    """The weights and buffers on this rank after the training of each case, in a folder of its number."""
    ended = []
    for number, case in enumerate(cases):
        with pytest.MonkeyPatch.context() as patch:
            _break(case.broken, patch)
            ended.append(_train(folder / str(number), case))
    return ended


def _train(folder: Path, case: Case) -> dict[str, Tensor]:
    seen = samples(SIZE)
    options = TaskOptions(seed=3, epochs=1, batch_size=7, pairs=20, steps=3, thresholds="10,30")
    task = build_task(case.name, case.pairs, seen, options)
    seed_everything(3)
    # divided into parts, only a network without batch norms is the same as undivided
    network = "resnet10" if case.micro_batch is None else "vit"
    of_method = MethodOptions(network=network, dropout=0.1, micro_batch=case.micro_batch, dense=case.dense)
    method = build_method(case.name, case.pairs, SIZE, 7, of_method)
    method.double()
    loader = Loader(seen, Augmentation(), seed=3, device=CPU)
    source = DoubleSource(task, loader, own_rows)
    own = folder if rank() == 0 else folder / "others-write-nothing"
    train(method, source, SETTINGS, own, device=CPU)
    assert rank() == 0 or not own.exists()
    return {name: value.clone() for name, value in method.state_dict().items()}


def _break(what: str, patch: pytest.MonkeyPatch) -> None:
    if what == "norms":
        patch.setattr(runner, "gather_norms", lambda module, device: None)
    if what == "gathering":  # as if the other rank had the same images
        patch.setattr(embedder, "gather_rows", lambda rows, total: rows[torch.arange(total) % len(rows)])
    if what == "views":  # as if the other rank's views were these
        patch.setattr(dense, "gather_rows", lambda rows, total: rows[torch.arange(total) % len(rows)])
    if what == "averaging":
        patch.setattr(runner, "average_gradients", lambda parameters: None)
    if what == "randomness":
        patch.setattr(loop, "seed_everything", lambda seed: seed_everything(seed + rank()))


@dataclass(frozen=True)
class Ended:
    """How the cases ended in one process and on each of two ranks."""

    cases: list[Case]
    one: Path
    two: Path
    alone: list[dict[str, Tensor]]
    ranks: list[list[dict[str, Tensor]]]

    def distance(self, case: Case, as_one: Case) -> float:
        """Largest difference of any weight or buffer between the ranks' `case` and one process's `as_one`."""
        alone = self.alone[self.cases.index(as_one)]
        of_ranks = [ended[self.cases.index(case)] for ended in self.ranks]
        return max(float((alone[name] - each[name]).abs().max()) for each in of_ranks for name in alone)


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    folder = tmp_path_factory.mktemp("ranks")
    one, two = folder / "one", folder / "two"
    cases = [*KINDS, UNDIVIDED, DIVIDED, *TWINS]
    (alone,) = in_ranks(1, trained, folder / "meeting of one", one, cases[:-5])
    return Ended(cases, one, two, alone, in_ranks(2, trained, folder / "meeting of two", two, cases))


@pytest.mark.parametrize("number", range(len(KINDS)), ids=[f"{case.name} {case.pairs}" for case in KINDS])
def test_two_ranks_end_like_one_process(ended: Ended, number: int) -> None:
    assert ended.distance(KINDS[number], KINDS[number]) < 1e-9
    for mine, theirs in zip(rows_of(ended.one / str(number)), rows_of(ended.two / str(number)), strict=True):
        for a, b in zip(mine, theirs, strict=True):
            assert a == b or float(a) == pytest.approx(float(b), rel=1e-8), (mine, theirs)


def test_parts_of_a_batch_on_two_ranks_end_like_one_undivided_batch(ended: Ended) -> None:
    assert ended.distance(DIVIDED, UNDIVIDED) < 1e-9


@pytest.mark.parametrize("twin", TWINS, ids=lambda case: case.broken)
def test_ranks_that_do_not_exchange_end_elsewhere(ended: Ended, twin: Case) -> None:
    """The twin: without one part of the exchange the same comparison fails."""
    assert ended.distance(twin, Case()) > 1e-6
