"""An encoder as a run left it, ready to encode: built from its card, weights loaded, in evaluation mode."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from medcl.networks.encoder import build_encoder
from medcl.networks.projection import Projection
from medcl.study.errors import BadInput
from medcl.training.export import load_encoder_weights, read_encoder_card

LAYERS = {
    "encoder": "the features before the projection head, which probes and pages use",
    "projection": "what the contrastive loss saw: projected and scaled to length 1",
}


@dataclass(frozen=True)
class SavedEncoder:
    """A module that maps (B, C, D, H, W) to (B, features), with the card of its encoder."""

    module: nn.Module
    features: int
    size: tuple[int, int, int]
    card: Mapping[str, Any]


def open_encoder(folder: Path, layer: str, device: torch.device) -> SavedEncoder:
    """Open the encoder of a run or fold folder.

    Args:
        folder: holds encoder.safetensors and encoder.json (and projection.* for that layer).
        layer: key of `LAYERS`.
        device: where it will run.

    Raises:
        BadInput: files are missing, damaged or of a newer format.
    """
    card = read_encoder_card(folder)
    architecture = card.get("architecture")
    if not isinstance(architecture, dict) or not {"network", "size", "channels"} <= architecture.keys():
        raise BadInput(f"{folder}: encoder.json does not tell how the encoder is built. Train the run again.")
    z, y, x = (int(voxels) for voxels in architecture["size"])
    encoder = build_encoder(architecture["network"], (z, y, x), architecture["channels"])
    load_encoder_weights(encoder, folder)
    module: nn.Module = encoder
    features = encoder.features
    if layer == "projection":
        shape = read_encoder_card(folder, stem="projection")["architecture"]
        projection = Projection(**shape)
        load_encoder_weights(projection, folder, stem="projection")
        module, features = nn.Sequential(encoder, projection), projection.out
    return SavedEncoder(module.to(device).eval(), features, (z, y, x), card)
