"""Two processes that share every batch end contrastive clustering like one, through both phases."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from medcl.data.augment import Augmentation
from medcl.data.cluster_task import ClusterTask
from medcl.data.loader import Loader
from medcl.data.task_options import TaskOptions
from medcl.methods import clustering
from medcl.methods.clustering import Clustering, ClusteringOptions
from medcl.networks.clustering_network import build_clustering_network
from medcl.training import runner
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
SIZE = (1, 16, 16)
BATCH = 7
"""Two views each: the first process has seven views, the second seven, one image lies on both."""


@dataclass(frozen=True)
class Case:
    """A training; with `epochs` of 1 it ends in the first phase."""

    epochs: int = 2
    decoupled: bool = False
    optimizer: str = "sgd"
    broken: str = ""


FIRST, BOTH, LARS = Case(epochs=1), Case(), Case(decoupled=True, optimizer="lars")
KINDS = {"first phase": FIRST, "both phases": BOTH, "decoupled, LARS": LARS}
TWINS = {
    f"{name} {what}": replace(KINDS[name], broken=what)
    for name in ("first phase", "both phases")
    for what in ("norms", "gathering", "averaging")
}


def trained(folder: Path, cases: list[Case]) -> list[dict[str, Tensor]]:
    """What a checkpoint keeps on this rank after the training of each case, in a folder of its number."""
    ended = []
    for number, case in enumerate(cases):
        with pytest.MonkeyPatch.context() as patch:
            _break(case.broken, patch)
            ended.append(_train(folder / str(number), case))
    return ended


def _train(folder: Path, case: Case) -> dict[str, Tensor]:
    seen = samples(SIZE)
    task = ClusterTask(seen, TaskOptions(seed=3, epochs=case.epochs, batch_size=BATCH))
    seed_everything(3)
    options = ClusteringOptions(decoupled=case.decoupled, contrastive_epochs=1, most=5)
    method = Clustering(build_clustering_network("conv3", SIZE, most=5), options, images=BATCH)
    method.double()
    source = DoubleSource(task, Loader(seen, Augmentation(), seed=3, device=CPU), own_rows)
    settings = TrainingSettings(epochs=case.epochs, optimizer=case.optimizer, lr=0.02, precision="fp32", seed=3)
    own = folder if rank() == 0 else folder / "others-write-nothing"
    train(method, source, settings, own, device=CPU)
    assert rank() == 0 or not own.exists()
    state = {name: value.clone() for name, value in method.state_dict().items() if isinstance(value, Tensor)}
    if method.found is not None:
        state |= {"found": torch.from_numpy(method.found.centres), "labels": torch.from_numpy(method.found.labels)}
    return state


def _break(what: str, patch: pytest.MonkeyPatch) -> None:
    if what == "norms":
        patch.setattr(runner, "gather_norms", lambda module, device: None)
    if what == "gathering":  # as if the other rank had the same images
        patch.setattr(clustering, "gather_rows", lambda rows, total: rows[torch.arange(total) % len(rows)])
    if what == "averaging":
        patch.setattr(runner, "average_gradients", lambda parameters: None)


@dataclass(frozen=True)
class Ended:
    """How the cases ended in one process and on each of two ranks."""

    cases: list[Case]
    one: Path
    two: Path
    alone: list[dict[str, Tensor]]
    ranks: list[list[dict[str, Tensor]]]

    def distance(self, case: Case) -> float:
        """Largest difference of anything kept between the ranks' `case` and the one process's sound one."""
        alone = self.alone[self.cases.index(replace(case, broken=""))]
        of_ranks = [ended[self.cases.index(case)] for ended in self.ranks]
        assert all(set(each) == set(alone) for each in of_ranks)
        if any(each[name].shape != alone[name].shape for each in of_ranks for name in alone):
            return float("inf")  # other numbers of clusters
        return max(float((alone[name] - each[name]).abs().max()) for each in of_ranks for name in alone)


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    folder = tmp_path_factory.mktemp("clustering ranks")
    one, two = folder / "one", folder / "two"
    kinds = list(KINDS.values())
    cases = [*kinds, *TWINS.values()]
    (alone,) = in_ranks(1, trained, folder / "meeting of one", one, kinds)
    return Ended(cases, one, two, alone, in_ranks(2, trained, folder / "meeting of two", two, cases))


@pytest.mark.parametrize("name", KINDS)
def test_two_ranks_of_the_clustering_end_like_one_process(ended: Ended, name: str) -> None:
    case = KINDS[name]
    assert ("found" in ended.alone[ended.cases.index(case)]) == (case is not FIRST)
    assert ended.distance(case) < 1e-9
    number = str(ended.cases.index(case))
    for mine, theirs in zip(rows_of(ended.one / number), rows_of(ended.two / number), strict=True):
        for a, b in zip(mine, theirs, strict=True):
            # embeddings are looked at in float32
            assert a == b or float(a) == pytest.approx(float(b), rel=1e-6), (mine, theirs)


@pytest.mark.parametrize("name", TWINS)
def test_ranks_of_the_clustering_that_do_not_exchange_end_elsewhere(ended: Ended, name: str) -> None:
    """The twin: without one part of the exchange the same comparison fails."""
    assert ended.distance(TWINS[name]) > 1e-6
