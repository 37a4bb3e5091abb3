"""A segmentation network as a run left it, ready to be applied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from medcl.evaluation.saved_network import Size, load_network
from medcl.imaging.recipe import Recipe
from medcl.networks.registry import UNET
from medcl.networks.segmenter import Segmenter, build_segmenter
from medcl.networks.unet import UNet
from medcl.study.errors import BadInput
from medcl.study.label_classes import LabelClass, classes_from_json

STEM = "segmenter"
"""Name of the files in a run folder."""


@dataclass(frozen=True)
class SavedSegmenter:
    """A network and what is needed to use it.

    Attributes:
        network: in evaluation mode, on its device; (B, 1, D, H, W) to logits, those that count first.
        classes: class i of the network is `classes[i - 1]`, 0 is background.
        recipe: how images are prepared for it.
        card: all that the run's card tells.
    """

    network: Segmenter | UNet
    classes: list[LabelClass]
    recipe: Recipe
    card: Mapping[str, Any]

    @property
    def size(self) -> tuple[int, int, int]:
        """(z, y, x) of the images that it was trained on; z is 1 for slices."""
        return self.network.encoder.size


def load_segmenter(folder: Path, device: torch.device) -> SavedSegmenter:
    """Open the network of a run of `medcl segment train`, or of `medcl translate train --segment`.

    Args:
        folder: holds segmenter.safetensors and segmenter.json.
        device: where it will run.

    Raises:
        BadInput: files are missing, damaged or of a newer format.
    """
    network, card = load_network(folder, STEM, _build, device)
    try:
        classes, recipe = classes_from_json(card["classes"]), Recipe.from_json(card["recipe"])
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(
            f"{folder}: {STEM}.json does not tell classes and recipe ({error}). Train the run again."
        ) from error
    return SavedSegmenter(network, classes, recipe, card)


def unet_architecture(size: Size, classes: int, widths: Sequence[int], deep: int) -> dict[str, Any]:
    """What a card tells of a `UNet`, so that `load_segmenter` can build it.

    Args:
        size: (1, y, x) in pixels of the slices that it was trained on.
        classes: background included.
        widths, deep: as the network was given them.
    """
    told = {"size": list(size), "classes": classes, "widths": list(widths), "deep": deep}
    return {"network": UNET, **told, "channels": 1}


def _build(told: Mapping[str, Any], size: Size) -> Segmenter | UNet:
    if told["network"] == UNET:
        return UNet(size, told["classes"], told["widths"], told["deep"])
    return build_segmenter(told["network"], size, told["classes"], told["decoders"], told["channels"])
