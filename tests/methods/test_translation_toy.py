"""The target is the source's contrast inverted, in slices of other anatomies: translation has to find that out.

A generator that keeps a slice as it is has a correlation of -1 with its inverse; above 0.95 is asked for. A segmenter
that learns beside it must do better on true target slices than one that has seen the source's alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import pytest
import torch
from torch import Tensor

from medcl.methods.label_overlap import label_overlap
from medcl.methods.self_training import supervised_loss
from medcl.methods.translation import Translation, TranslationOptions
from medcl.networks.discriminator import Discriminator
from medcl.networks.generator import Generator
from medcl.networks.patch_projection import PatchProjection
from medcl.networks.unet import UNet
from medcl.training.randomness import seed_everything
from medcl.training.runner import StepRunner
from medcl.training.settings import TrainingSettings
from tests.methods.two_contrasts import CLASSES, SIDE, TwoContrasts, correlation

pytestmark = pytest.mark.slow

SEEDS = (0, 1, 2)
SLICES, HELD_OUT = 32, 16
STEPS = 340
LR = 1e-3
"""Above the paper's 2e-4, for a few hundred steps instead of 400 epochs: at 2e-4 the discriminator was seen to tell
every translation within 200 steps, before the generator, whose weights start small, had made any; it stayed a copy."""

TAPS = ("stem", "down1", "down2", "block1")
OPTIONS = TranslationOptions(taps=TAPS, patches=64, average=0.98, gan_weight=2.0)
"""Adam does not see a common factor, so this is the public code's 1 beside halves of the contrasts. With the paper's 1
beside 1, and no segmenter, two of two other seeds ended as copies, the discriminator having won early."""

SETTINGS = TrainingSettings(
    epochs=1, optimizer="adam", lr=LR, schedule="constant", warmup_epochs=0, clip=None, precision="fp32"
)


@dataclass(frozen=True)
class Learned:
    """Of slices that nobody learned from.

    Attributes:
        correlation: of translations with the inverted source slices.
        joint, source_only: mean Dice on target slices, of the segmenter that learned from translated slices, and of
            the same network after as many steps with source slices as they are.
        source_itself: of the latter on source slices.
    """

    correlation: float
    joint: float
    source_only: float
    source_itself: float


@cache
def learned(seed: int) -> Learned:
    seed_everything(seed)
    generator = Generator(8, 1)
    projection = PatchProjection(generator.tap_channels(TAPS), 64)
    method = Translation(generator, Discriminator(4), projection, segmenter(), OPTIONS)
    source = TwoContrasts(seed, slices=SLICES, batch=2, batches=STEPS, labelled=1.0)
    runner = StepRunner(method, SETTINGS, torch.device("cpu"))
    method.train()
    for number, batch in enumerate(source.batches(source.epoch(0), 0)):
        runner.run(batch, 0, number, STEPS, number)
    plain = source_only(source, seed)
    held_out = TwoContrasts(seed + 100, slices=HELD_OUT)
    slices, labels = held_out.volumes, held_out.truth
    kept = method.eval().kept_segmenter
    assert kept is not None
    with torch.no_grad():
        translated = method.kept_generator(slices[:HELD_OUT])
        found = Learned(
            correlation(translated, 1 - slices[:HELD_OUT]),
            dice(kept, slices[HELD_OUT:], labels[HELD_OUT:]),
            dice(plain, slices[HELD_OUT:], labels[HELD_OUT:]),
            dice(plain, slices[:HELD_OUT], labels[:HELD_OUT]),
        )
    return found


def segmenter() -> UNet:
    return UNet((1, SIDE, SIDE), CLASSES, (6, 12, 24))


def source_only(source: TwoContrasts, seed: int) -> UNet:
    """No adaptation: the same slices in the same order."""
    seed_everything(seed)
    network = segmenter()
    optimizer = torch.optim.Adam(network.parameters(), LR)
    for batch in source.batches(source.epoch(0), 0):
        of_source = batch.plan.targets["source"]
        assert batch.labels is not None
        loss = supervised_loss(network(batch.volumes[of_source]), batch.labels[of_source]).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return network.eval()


def dice(network: UNet, slices: Tensor, labels: Tensor) -> float:
    decided = network.probabilities(slices).argmax(dim=1, keepdim=True)
    return 1 - float(label_overlap(decided, labels, CLASSES)["loss"])


@pytest.mark.parametrize("seed", SEEDS)
def test_translation_inverts_intensities(seed: int) -> None:
    assert learned(seed).correlation > 0.95


@pytest.mark.parametrize("seed", SEEDS)
def test_the_segmenter_of_the_target_beats_that_of_the_source(seed: int) -> None:
    found = learned(seed)
    assert found.joint > found.source_only + 0.2, found
    assert found.source_itself > 0.8, "it did learn what it was shown"
