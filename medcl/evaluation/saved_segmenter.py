"""A segmentation network as a run left it, ready to be applied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from medcl.imaging.recipe import Recipe
from medcl.networks.segmenter import Segmenter, build_segmenter
from medcl.study.errors import BadInput
from medcl.study.label_classes import LabelClass, classes_from_json
from medcl.training.export import load_encoder_weights, read_encoder_card

STEM = "segmenter"
"""Name of the files in a run folder."""


@dataclass(frozen=True)
class SavedSegmenter:
    """A network and what is needed to use it.

    Attributes:
        network: in evaluation mode, on its device; (B, 1, D, H, W) to logits.
        classes: class i of the network is `classes[i - 1]`, 0 is background.
        recipe: how images are prepared for it.
        card: all that the run's card tells.
    """

    network: Segmenter
    classes: list[LabelClass]
    recipe: Recipe
    card: Mapping[str, Any]

    @property
    def size(self) -> tuple[int, int, int]:
        """(z, y, x) of the images that it was trained on; z is 1 for slices."""
        return self.network.encoder.size


def load_segmenter(folder: Path, device: torch.device) -> SavedSegmenter:
    """Open the network of a run of `medcl segment train`.

    Args:
        folder: holds segmenter.safetensors and segmenter.json.
        device: where it will run.

    Raises:
        BadInput: files are missing, damaged or of a newer format.
    """
    card = read_encoder_card(folder, STEM)
    try:
        told = card["architecture"]
        z, y, x = (int(voxels) for voxels in told["size"])
        classes = classes_from_json(card["classes"])
        recipe = Recipe.from_json(card["recipe"])
        network = build_segmenter(told["network"], (z, y, x), told["classes"], told["decoders"], told["channels"])
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(
            f"{folder}: {STEM}.json does not tell how the network is built ({error}). Train the run again."
        ) from error
    load_encoder_weights(network, folder, stem=STEM)
    return SavedSegmenter(network.to(device).eval(), classes, recipe, card)
