"""The generator of a run of `medcl translate train`, ready to be applied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from medcl.evaluation.saved_network import Size, load_network
from medcl.imaging.recipe import Recipe
from medcl.networks.generator import Generator
from medcl.study.errors import BadInput

STEM = "generator"
"""Name of the files in a run folder."""


@dataclass(frozen=True)
class SavedTranslator:
    """A generator and what is needed to use it.

    Attributes:
        network: in evaluation mode, on its device; slices (B, 1, 1, H, W) in [0, 1] to such slices.
        source: how the images are prepared that it translates.
        target: how those were prepared that its translations resemble, which says what they mean.
        card: all that the run's card tells.
    """

    network: Generator
    source: Recipe
    target: Recipe
    card: Mapping[str, Any]

    @property
    def recipe(self) -> Recipe:
        """How images are prepared for it: the source's, by the name that other saved networks have for it."""
        return self.source

    @property
    def size(self) -> Size:
        """(1, y, x) of the slices that it was trained on."""
        z, y, x = self.card["architecture"]["size"]
        return int(z), int(y), int(x)


def load_translator(folder: Path, device: torch.device) -> SavedTranslator:
    """Open the generator of a run of `medcl translate train`.

    Args:
        folder: holds generator.safetensors and generator.json.
        device: where it will run.

    Raises:
        BadInput: files are missing, damaged or of a newer format.
    """
    network, card = load_network(folder, STEM, _build, device)
    try:
        source, target = (Recipe.from_json(card[side]["recipe"]) for side in ("source", "target"))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BadInput(
            f"{folder}: {STEM}.json does not tell the recipes of source and target ({error}). Train the run again."
        ) from error
    return SavedTranslator(network, source, target, card)


def _build(told: Mapping[str, Any], size: Size) -> Generator:
    return Generator(told["filters"], told["blocks"])
