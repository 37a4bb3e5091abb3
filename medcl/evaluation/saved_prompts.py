"""The text side of a run of `medcl pretrain --method prompts`, ready to embed prompts beside the run's images.

The images' side is the run's encoder with its projection: `open_encoder(folder, "projection", device)`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from medcl.networks.text_encoder import build_text_encoder
from medcl.networks.text_space import TextSpace
from medcl.study.errors import BadInput
from medcl.study.prompt_rules import PromptRules, read_prompt_rules
from medcl.training.export import load_encoder_weights, read_encoder_card

STEM = "text"


@dataclass(frozen=True, eq=False)
class PromptSpace:
    """Where images and prompts of a run lie together.

    Attributes:
        rules: that the run's prompts were made by.
        space: embeds prompts; in evaluation mode.
        card: of the text side.
    """

    rules: PromptRules
    space: TextSpace
    card: Mapping[str, Any]

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return the embedding of each prompt, (P, width), of length 1.

        Raises:
            BadInput: a prompt is empty, too long, or has words that the text encoder does not know.
        """
        found: npt.NDArray[np.float32] = self.space.embed(texts).float().cpu().numpy()
        return found


def has_prompt_space(folder: Path) -> bool:
    """Tell whether a run or fold folder holds a text side."""
    return (folder / f"{STEM}.json").is_file()


def load_prompt_space(folder: Path, device: torch.device) -> PromptSpace:
    """Open the text side of a run or fold folder.

    Args:
        folder: holds text.safetensors, text.json and the rules.
        device: where it will run.

    Raises:
        BadInput: files are missing, damaged, changed or of a newer format, or the text encoder that the run was trained
            with is not here.
    """
    if not has_prompt_space(folder):
        raise BadInput(f"{folder} holds no {STEM}.json: only runs of `medcl pretrain --method prompts` have prompts.")
    card = read_encoder_card(folder, STEM)
    try:
        told = card["architecture"]["encoder"]
        name, words = str(told["name"]), told.get("words") or ()
        encoder = build_text_encoder(
            name, frozen_layers=int(told["frozen_layers"]), pooling=told["pooling"], texts=words
        )
        space = TextSpace(encoder, int(card["architecture"]["width"]))
        pretrained, file, digest = told["pretrained_sha256"], folder / str(card["rules"]), card["rules_sha256"]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadInput(
            f"{folder}: {STEM}.json does not tell how the text side is built ({error}). Train the run again."
        ) from error
    if space.frozen and encoder.card()["pretrained_sha256"] != pretrained:
        raise BadInput(
            f"--text-encoder {name} has other weights here than when the run in {folder} was trained; put those back."
        )
    if not file.is_file() or hashlib.sha256(file.read_bytes()).hexdigest() != digest:
        raise BadInput(f"{file}: these are not the rules that the run was trained with (missing or changed).")
    load_encoder_weights(space, folder, stem=STEM)
    return PromptSpace(read_prompt_rules(file), space.to(device).eval(), card)
