"""Contrastive translation through the real loop: a run that breaks off and resumes ends like an unbroken one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from medcl.data.loader import Batch
from medcl.methods.translation import Translation, TranslationOptions
from medcl.networks.discriminator import Discriminator
from medcl.networks.generator import Generator
from medcl.networks.patch_projection import PatchProjection
from medcl.networks.unet import UNet
from medcl.training import loop
from medcl.training.loop import train
from medcl.training.metrics import FILE, TIME_COLUMNS
from medcl.training.randomness import seed_everything
from medcl.training.runner import StepRunner
from medcl.training.settings import TrainingSettings
from tests.methods.two_contrasts import CLASSES, SIDE, TwoContrasts

CPU = torch.device("cpu")
OPTIONS = TranslationOptions(
    taps=("stem", "block1"),
    patches=16,
    organ_negatives=True,
    average=0.9,
    self_training=1.0,
    self_training_ramp=4,
    confidence=0.34,
)
SETTINGS = TrainingSettings(epochs=2, optimizer="adam", lr=1e-3, precision="fp32", seed=3, checkpoint_steps=1)
CUTS = [(0, 1), (0, 2), (1, 0), (1, 2)]
BATCHES = 3


class PowerCut(Exception):
    """Ends a run."""


class Source(TwoContrasts):
    """Breaks off before a batch of an epoch."""

    cut: tuple[int, int] | None = None

    def batches(self, plans: Any, epoch: int, start: int = 0, *, training: bool = True) -> Iterator[Batch]:
        for number, batch in enumerate(super().batches(plans, epoch, start, training=training), start=start):
            if training and self.cut == (epoch, number):
                raise PowerCut
            yield batch


def run(folder: Path, cut: tuple[int, int] | None = None, kind: type[Translation] = Translation, **named: Any) -> Any:
    seed_everything(3)
    generator = Generator(4, 1)
    projection = PatchProjection(generator.tap_channels(OPTIONS.taps), 8)
    segmenter = UNet((1, SIDE, SIDE), CLASSES, (4, 4, 8))
    made = kind(generator, Discriminator(4), projection, segmenter, OPTIONS)
    source = Source(slices=6, batch=1, batches=BATCHES)
    source.cut = cut
    train(made, source, SETTINGS, folder, device=CPU, **named)
    return made


def alike(first: Translation, second: Translation) -> bool:
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(a, b) if isinstance(a, Tensor) else a == b for a, b in pairs)


def numbers(folder: Path) -> list[list[str]]:
    """metrics.csv without its times."""
    lines = [line.split(",") for line in (folder / FILE).read_text().splitlines()]
    kept = [place for place, name in enumerate(lines[0]) if name not in TIME_COLUMNS]
    return [[line[place] for place in kept] for line in lines]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Translation, Path]:
    folder = tmp_path_factory.mktemp("unbroken translation")
    return run(folder), folder


def resumed(folder: Path, cut: tuple[int, int], kind: type[Translation] = Translation) -> Translation:
    with pytest.raises(PowerCut):
        run(folder, cut, kind)
    return run(folder, None, kind, resume=True)


@pytest.mark.parametrize("cut", CUTS, ids=lambda cut: f"epoch {cut[0]} batch {cut[1]}")
def test_a_resumed_translation_ends_like_an_unbroken_one(
    unbroken: tuple[Translation, Path], tmp_path: Path, cut: tuple[int, int]
) -> None:
    assert alike(resumed(tmp_path, cut), unbroken[0])
    assert numbers(tmp_path) == numbers(unbroken[1])


class Forgetful(Translation):
    """Its checkpoint does not tell how many steps were done, on which positions, perturbation and ramp depend."""

    def set_extra_state(self, state: Mapping[str, int]) -> None:
        pass


class Unaveraged(Translation):
    """Its averages start anew."""

    def load_state_dict(self, state: Mapping[str, Any], *arguments: Any) -> Any:
        fresh = {name: value for name, value in self.state_dict().items() if name.startswith("average")}
        return super().load_state_dict({**state, **fresh}, *arguments)


@pytest.mark.parametrize("twin", [Forgetful, Unaveraged])
def test_what_is_forgotten_is_noticed(
    unbroken: tuple[Translation, Path], tmp_path: Path, twin: type[Translation]
) -> None:
    assert alike(run(tmp_path / "whole", None, twin), unbroken[0]), "while nothing breaks off"
    assert not alike(resumed(tmp_path / "broken", (1, 0), twin), unbroken[0])


@pytest.mark.parametrize("name", ["discriminator", "generator"])
def test_an_optimizer_that_is_forgotten_is_noticed(
    unbroken: tuple[Translation, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    load = StepRunner.load_state_dict

    def without(self: StepRunner, state: Mapping[str, Any]) -> None:
        optimizers = {**state["optimizers"], name: self.optimizers[name].state_dict()}
        load(self, {**state, "optimizers": optimizers})

    monkeypatch.setattr(loop.StepRunner, "load_state_dict", without)
    assert not alike(resumed(tmp_path, (1, 0)), unbroken[0])


def test_all_is_written_at_the_end_of_each_epoch(unbroken: tuple[Translation, Path]) -> None:
    made, folder = unbroken
    header, *rows = numbers(folder)
    training = [dict(zip(header, row, strict=True)) for row in rows if row[2] == "train"]
    validation = [dict(zip(header, row, strict=True)) for row in rows if row[2] == "val"]
    logged = ("loss_gan", "loss_nce", "loss_identity", "loss_segmentation", "loss_self_training", "nce_of_chance")
    assert all(float(row[name]) > 0 for row in training for name in (*logged, "score_real", "loss_discriminator"))
    assert all(float(row[name]) > 0 for row in validation for name in ("loss", "loss_nce"))
    assert len(training) == len(validation) == SETTINGS.epochs
    assert made.steps_done == SETTINGS.epochs * BATCHES


def test_the_last_epochs_weights_are_kept(unbroken: tuple[Translation, Path]) -> None:
    """A lower loss of an earlier epoch says nothing about a GAN."""
    made, folder = unbroken
    best = torch.load(folder / "checkpoints" / "best.pt", weights_only=True)
    assert best["epoch"] == SETTINGS.epochs
    assert torch.equal(best["method"]["generator.stem.weight"], made.generator.stem.weight)
