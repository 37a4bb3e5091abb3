"""A network as a run left it: built from its card, weights loaded, in evaluation mode."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from medcl.study.errors import BadInput
from medcl.training.export import load_encoder_weights, read_encoder_card

Network = TypeVar("Network", bound=nn.Module)
Size = tuple[int, int, int]


def load_network(
    folder: Path, stem: str, build: Callable[[Mapping[str, Any], Size], Network], device: torch.device
) -> tuple[Network, dict[str, Any]]:
    """Open a network of a run, and its card.

    Args:
        folder: holds STEM.safetensors and STEM.json.
        stem: name of the two files.
        build: makes the network from the card's "architecture" and the size (z, y, x) in it.
        device: where it will run.

    Raises:
        BadInput: files are missing, damaged or of a newer format.
    """
    card = read_encoder_card(folder, stem)
    try:
        told = card["architecture"]
        z, y, x = (int(voxels) for voxels in told["size"])
        network = build(told, (z, y, x))
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(
            f"{folder}: {stem}.json does not tell how the network is built ({error}). Train the run again."
        ) from error
    load_encoder_weights(network, folder, stem=stem)
    return network.to(device).eval(), card
