"""Two processes that share every batch end contrastive translation like one: losses, gradients' norms and weights.

With one slice of source and target a batch, one process has the source's and the other the target's; with three, one
has two of the source and one of the target, and the other the reverse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from medcl.methods import translation
from medcl.methods.patch_contrast import positions_of
from medcl.methods.translation import Translation, TranslationOptions
from medcl.networks.discriminator import Discriminator
from medcl.networks.generator import Generator
from medcl.networks.patch_projection import PatchProjection
from medcl.networks.unet import UNet
from medcl.training import loop, runner
from medcl.training.distributed import rank, world_size
from medcl.training.loop import train
from medcl.training.randomness import seed_everything
from medcl.training.settings import TrainingSettings
from tests.methods.metrics_rows import rows_of
from tests.methods.two_contrasts import CLASSES, SIDE, TwoContrasts
from tests.training.ranks import in_ranks

pytestmark = [pytest.mark.ddp, pytest.mark.slow]

CPU = torch.device("cpu")
SETTINGS = TrainingSettings(epochs=1, optimizer="adam", lr=1e-3, warmup_epochs=0, precision="fp32", seed=3)
PAPER = TranslationOptions(taps=("stem", "block1"), patches=16)
OURS = replace(PAPER, organ_negatives=True, average=0.9, self_training=1.0, confidence=0.34)


@dataclass(frozen=True)
class Case:
    """A training of three steps."""

    slices: int
    options: TranslationOptions = OURS
    segment: bool = True
    broken: str = ""


KINDS = {
    "one": Case(1),
    "three": Case(3),
    "three, no segmenter": Case(3, PAPER, segment=False),
    "three, no identity": Case(3, replace(PAPER, identity_weight=0.0, reduction="sum")),
}
TWINS = {
    f"{name} {what}": replace(KINDS[name], broken=what)
    for name in ("one", "three")
    for what in ("counts", "averaging", "positions")
}
del TWINS["one positions"]  # each process has one slice, as has each half of the batch
del TWINS["one counts"]  # all parts of the loss are halved, which Adam does not see


def trained(folder: Path, cases: list[Case]) -> list[dict[str, Any]]:
    """The weights and count of steps on this rank after the training of each case, in a folder of its own."""
    ended = []
    for number, case in enumerate(cases):
        with pytest.MonkeyPatch.context() as patch:
            for save in ("save_checkpoint", "save_best"):
                patch.setattr(loop, save, lambda *_: None)
            _break(case.broken, patch)
            ended.append(_train(folder / str(number), case))
    return ended


def _train(folder: Path, case: Case) -> dict[str, Any]:
    seed_everything(3)
    generator = Generator(4, 1)
    segmenter = UNet((1, SIDE, SIDE), CLASSES, (4, 4, 8)) if case.segment else None
    projection = PatchProjection(generator.tap_channels(case.options.taps), 8)
    method = Translation(generator, Discriminator(4), projection, segmenter, case.options).double()
    source = TwoContrasts(slices=6, batch=case.slices, dtype=torch.float64, labelled=0.7)
    own = folder if rank() == 0 else folder / "others-write-nothing"
    train(method, source, SETTINGS, own, device=CPU)
    assert rank() == 0 or not own.exists()
    state = method.state_dict()
    return {name: value.clone() if isinstance(value, Tensor) else value for name, value in state.items()}


def _break(what: str, patch: pytest.MonkeyPatch) -> None:
    if what == "counts":  # as if each process had the batch for itself
        patch.setattr(translation, "whole_batch_mean", lambda here, count: here / max(1, count // world_size()))
    if what == "averaging":
        patch.setattr(runner, "average_gradients", lambda parameters: None)
    if what == "positions":  # by the place in the process's share
        patch.setattr(translation, "positions_of", _by_place)


def _by_place(keys: Sequence[int], *arguments: Any) -> dict[str, Tensor]:
    return positions_of(range(len(keys)) if world_size() > 1 else keys, *arguments)


@dataclass(frozen=True)
class Ended:
    """How the cases ended in one process and on each of two ranks."""

    cases: list[Case]
    one: Path
    two: Path
    alone: list[dict[str, Any]]
    ranks: list[list[dict[str, Any]]]

    def distance(self, case: Case) -> float:
        """Largest difference of any weight between the ranks' `case` and the one process's sound one."""
        alone = self.alone[self.cases.index(replace(case, broken=""))]
        of_ranks = [ended[self.cases.index(case)] for ended in self.ranks]
        tensors = [name for name, value in alone.items() if isinstance(value, Tensor)]
        return max(float((alone[name] - each[name]).abs().max()) for each in of_ranks for name in tensors)


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    folder = tmp_path_factory.mktemp("translation ranks")
    one, two = folder / "one", folder / "two"
    kinds = list(KINDS.values())
    cases = [*kinds, *TWINS.values()]
    (alone,) = in_ranks(1, trained, folder / "meeting of one", one, kinds)
    return Ended(cases, one, two, alone, in_ranks(2, trained, folder / "meeting of two", two, cases))


@pytest.mark.parametrize("name", KINDS)
def test_two_ranks_of_a_translation_end_like_one_process(ended: Ended, name: str) -> None:
    case = KINDS[name]
    assert ended.distance(case) < 1e-9
    number = ended.cases.index(case)
    for of_rank in ended.ranks:
        assert of_rank[number]["_extra_state"] == ended.alone[number]["_extra_state"] == {"steps_done": 3}
    mine, theirs = rows_of(ended.one / str(number)), rows_of(ended.two / str(number))
    header = mine[0]
    assert {"loss_gan", "loss_nce", "score_made", "grad_norm_generator", "grad_norm_discriminator"} <= set(header)
    for a, b in zip(mine, theirs, strict=True):
        for left, right in zip(a, b, strict=True):
            # shares of pixels are counted in float32
            assert left == right or float(left) == pytest.approx(float(right), rel=1e-6), (a, b)


@pytest.mark.parametrize("name", TWINS)
def test_ranks_of_a_translation_that_do_not_exchange_end_elsewhere(ended: Ended, name: str) -> None:
    """The twin: without one part of the exchange the same comparison fails."""
    assert ended.distance(TWINS[name]) > 1e-6
