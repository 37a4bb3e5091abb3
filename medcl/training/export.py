"""The trained encoder for other programs and studies: encoder.safetensors and its card encoder.json.

The card says what the weights need to be used: architecture, input size, spacing, intensity recipe, data hash. The
caller gives it as a dict; `format` and the SHA-256 of the weights are added here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from medcl.study.errors import BadInput
from medcl.study.files import read_json, write_json, write_whole
from medcl.training.checkpoint import read_checkpoint
from medcl.training.method import Method

ENCODER_FORMAT = 1
"""Raised when older versions cannot read the card."""

WEIGHTS, CARD = ".safetensors", ".json"
_MOST_LISTED = 12


def export_encoder(encoder: torch.nn.Module, folder: Path, card: Mapping[str, Any], stem: str = "encoder") -> None:
    """Write the encoder's weights and buffers and its card into `folder`; the card last, so that it means both.

    Args:
        encoder: its state is copied to the CPU.
        folder: of the run or the fold.
        card: plain types, with "architecture" (a dict that tells how to build the encoder).
        stem: name of the two files, for other networks than the encoder.
    """
    tensors = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in encoder.state_dict().items()
    }
    data = save(tensors, metadata={"format": "pt"})
    with write_whole(folder / f"{stem}{WEIGHTS}") as temporary:
        temporary.write_bytes(data)
    write_json(
        folder / f"{stem}{CARD}", {"format": ENCODER_FORMAT, **card, "weights_sha256": hashlib.sha256(data).hexdigest()}
    )


def restore_best(method: Method, best: Path) -> int:
    """Give `method` the weights of a best.pt; return their epoch, from 1.

    Raises:
        BadInput: the file is missing or damaged.
    """
    content = read_checkpoint(best)
    method.load_state_dict(content["method"])
    epoch: int = content["epoch"]
    return epoch


def read_encoder_card(path: Path, stem: str = "encoder") -> dict[str, Any]:
    """Return the card of a run folder or of a .safetensors file.

    Raises:
        BadInput: it is missing, torn or of a newer format.
    """
    file = _weights_file(path, stem).with_suffix(CARD)
    if not file.exists():
        raise BadInput(f"{file}: no such file. Has the run finished? `medcl list runs` tells.")
    card = read_json(file)
    if not isinstance(card, dict) or not isinstance(card.get("format"), int):
        raise BadInput(f"{file}: this is no encoder card of medcl.")
    if card["format"] > ENCODER_FORMAT:
        raise BadInput(
            f"{file} has the format {card['format']}; this medcl reads up to {ENCODER_FORMAT}. Update medcl."
        )
    return card


def load_encoder_weights(
    encoder: torch.nn.Module, path: Path, architecture: Mapping[str, Any] | None = None, stem: str = "encoder"
) -> dict[str, Any]:
    """Load exported weights into `encoder` (all of them or none) and return their card.

    Args:
        encoder: of the same architecture.
        path: a run folder or a .safetensors file.
        architecture: how `encoder` was built, compared with the card's "architecture" where given.
        stem: name of the files in a run folder.

    Raises:
        BadInput: a file is missing or damaged, or the architectures or tensors differ (all differences are listed).
    """
    card = read_encoder_card(path, stem)
    file = _weights_file(path, stem)
    problems = [] if architecture is None else _other_architecture(card.get("architecture"), architecture)
    tensors = _read_weights(file, card)
    problems += _other_tensors(tensors, encoder.state_dict())
    if problems:
        raise BadInput(
            [
                f"{file} does not fit this network:",
                *problems,
                "Give the options of the run that made it (see its run.json), or another --init-from.",
            ]
        )
    encoder.load_state_dict(tensors)
    return card


def _weights_file(path: Path, stem: str) -> Path:
    return path if path.suffix == WEIGHTS else path / f"{stem}{WEIGHTS}"


def _read_weights(file: Path, card: Mapping[str, Any]) -> dict[str, Tensor]:
    if not file.exists():
        raise BadInput(f"{file}: no such file; it belongs beside its card.")
    if hashlib.sha256(file.read_bytes()).hexdigest() != card.get("weights_sha256"):
        raise BadInput(f"{file} is not the file that its card describes (damaged or replaced).")
    try:
        return load_file(file)
    except SafetensorError as error:
        raise BadInput(f"{file} cannot be read ({error}).") from error


def _other_architecture(saved: object, wanted: Mapping[str, Any]) -> list[str]:
    there = saved if isinstance(saved, dict) else {}
    return [
        f"  {name}: {there.get(name, 'not given')} in the file, {wanted.get(name, 'not given')} here"
        for name in {**there, **wanted}
        if _as_json(there.get(name)) != _as_json(wanted.get(name))
    ]


def _as_json(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _other_tensors(saved: Mapping[str, Tensor], here: Mapping[str, Tensor]) -> list[str]:
    differences = [
        *(f"  {name}: only in the file" for name in saved if name not in here),
        *(f"  {name}: only in this network" for name in here if name not in saved),
        *(
            f"  {name}: shape {tuple(saved[name].shape)} in the file, {tuple(here[name].shape)} here"
            for name in saved
            if name in here and saved[name].shape != here[name].shape
        ),
    ]
    more = len(differences) - _MOST_LISTED
    return [*differences[:_MOST_LISTED], *([f"  and {more} more tensors"] if more > 0 else [])]
