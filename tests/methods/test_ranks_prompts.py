"""Two processes that share every batch of images and prompts end like one: real networks, task, augmentation, loop."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor

from medcl.data.augmentation import PROMPT_VIEWS
from medcl.data.loader import Loader
from medcl.data.prompt_task import PromptTask
from medcl.data.task_options import TaskOptions
from medcl.methods import embedder
from medcl.methods.build import MethodOptions, build_prompt_method
from medcl.methods.prompts import PromptOptions
from medcl.training import runner
from medcl.training.distributed import own_rows, rank
from medcl.training.loop import train
from medcl.training.randomness import seed_everything
from medcl.training.settings import TrainingSettings
from tests.methods.double_source import DoubleSource
from tests.methods.metrics_rows import rows_of
from tests.methods.prompt_words import prompts_of
from tests.methods.small_study import samples
from tests.training.ranks import in_ranks

pytestmark = [pytest.mark.ddp, pytest.mark.slow]

CPU = torch.device("cpu")
SIZE = (4, 16, 16)
SETTINGS = TrainingSettings(epochs=1, optimizer="adam", lr=1e-3, weight_decay=0.2, precision="fp32", seed=3)


@dataclass(frozen=True)
class Case:
    """A training; of 22 images with a prompt there are batches of 8 and of 7, unequal shares for two ranks."""

    targets: str = "shared"
    broken: str = ""


KINDS = [Case(), Case("identity")]
TWINS = [Case(broken=what) for what in ("gathering", "averaging")]


def trained(folder: Path, cases: list[Case]) -> list[dict[str, Tensor]]:
    """The weights on this rank after the training of each case, in a folder of its number."""
    ended = []
    for number, case in enumerate(cases):
        with pytest.MonkeyPatch.context() as patch:
            if case.broken == "gathering":  # as if the other rank had the same images
                patch.setattr(embedder, "gather_rows", lambda rows, total: rows[torch.arange(total) % len(rows)])
            if case.broken == "averaging":
                patch.setattr(runner, "average_gradients", lambda parameters: None)
            ended.append(_train(folder / str(number), case))
    return ended


def _train(folder: Path, case: Case) -> dict[str, Tensor]:
    seen = samples(SIZE)
    task = PromptTask(seen, prompts_of(seen, frozenset(seen.cases[:2].tolist())), TaskOptions(seed=3, batch_size=9))
    seed_everything(3)
    chosen = PromptOptions(targets=case.targets, text_encoder="scratch", text_width=16)  # type: ignore[arg-type]
    options = MethodOptions(network="resnet10", dropout=0.2, prompts=chosen)
    method = build_prompt_method(SIZE, task.texts, task.texts, 9, options)
    method.double()
    source = DoubleSource(task, Loader(seen, PROMPT_VIEWS, seed=3, device=CPU), own_rows)
    own = folder if rank() == 0 else folder / "others-write-nothing"
    train(method, source, SETTINGS, own, device=CPU)
    return {name: value.clone() for name, value in method.state_dict().items()}


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
    (alone,) = in_ranks(1, trained, folder / "meeting of one", one, KINDS)
    cases = [*KINDS, *TWINS]
    return Ended(cases, one, two, alone, in_ranks(2, trained, folder / "meeting of two", two, cases))


@pytest.mark.parametrize("number", range(len(KINDS)), ids=[case.targets for case in KINDS])
def test_two_ranks_end_like_one_process(ended: Ended, number: int) -> None:
    assert ended.distance(KINDS[number], KINDS[number]) < 1e-9
    for mine, theirs in zip(rows_of(ended.one / str(number)), rows_of(ended.two / str(number)), strict=True):
        for a, b in zip(mine, theirs, strict=True):
            assert a == b or float(a) == pytest.approx(float(b), rel=1e-7), (mine, theirs)


def test_the_cases_are_different_trainings(ended: Ended) -> None:
    assert ended.distance(KINDS[0], KINDS[1]) > 1e-6


@pytest.mark.parametrize("twin", TWINS, ids=lambda case: case.broken)
def test_ranks_that_do_not_exchange_end_elsewhere(ended: Ended, twin: Case) -> None:
    """The twin: without one part of the exchange the same comparison fails."""
    assert ended.distance(twin, KINDS[0]) > 1e-6
