from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from medcl.study.errors import BadInput
from medcl.training.export import export_encoder, load_encoder_weights, read_encoder_card

CARD = {"architecture": {"network": "resnet18", "size": [8, 16, 16]}, "spacing": [3.0, 1.0, 1.0], "data": "abc"}


def encoder(seed: int = 0, width: int = 4) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv3d(1, width, 3), nn.BatchNorm3d(width))


def same(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def test_exported_weights_and_buffers_come_back_with_their_card(tmp_path: Path) -> None:
    made = encoder()
    made(torch.randn(2, 1, 5, 5, 5))  # moves the running averages
    made.to(memory_format=torch.channels_last_3d)
    export_encoder(made, tmp_path, CARD)
    assert set(load_file(tmp_path / "encoder.safetensors")) == set(made.state_dict())
    assert json.loads((tmp_path / "encoder.json").read_text()).items() >= CARD.items()
    for path in (tmp_path, tmp_path / "encoder.safetensors"):
        other = encoder(seed=1)
        assert not same(made, other)
        card = load_encoder_weights(other, path, {"network": "resnet18", "size": (8, 16, 16)})
        assert same(made, other)
        assert card["data"] == "abc"


def test_other_networks_are_exported_under_their_own_name(tmp_path: Path) -> None:
    export_encoder(encoder(), tmp_path, CARD)
    export_encoder(encoder(seed=1, width=2), tmp_path, {"architecture": "head"}, stem="projection")
    assert read_encoder_card(tmp_path, "projection")["architecture"] == "head"
    assert read_encoder_card(tmp_path)["data"] == "abc"
    head = encoder(width=2)
    load_encoder_weights(head, tmp_path, stem="projection")
    assert same(head, encoder(seed=1, width=2))


def test_all_differences_are_listed_and_nothing_is_loaded(tmp_path: Path) -> None:
    export_encoder(encoder(), tmp_path, CARD)
    torch.manual_seed(3)
    other = nn.Sequential(nn.Conv3d(1, 6, 3), nn.Identity(), nn.Linear(2, 2))
    before = [tensor.clone() for tensor in other.state_dict().values()]
    with pytest.raises(BadInput) as error:
        load_encoder_weights(other, tmp_path, {"network": "resnet50", "size": [8, 16, 16], "token": "cls"})
    problems = error.value.problems
    assert "  network: resnet18 in the file, resnet50 here" in problems
    assert "  token: not given in the file, cls here" in problems
    assert "  1.weight: only in the file" in problems
    assert "  2.bias: only in this network" in problems
    assert "  0.weight: shape (4, 1, 3, 3, 3) in the file, (6, 1, 3, 3, 3) here" in problems
    assert all(torch.equal(a, b) for a, b in zip(before, other.state_dict().values(), strict=True))


def test_long_lists_of_differences_are_cut_with_their_number(tmp_path: Path) -> None:
    export_encoder(encoder(), tmp_path, CARD)
    with pytest.raises(BadInput, match="and 12 more tensors"):
        load_encoder_weights(nn.Sequential(*(nn.BatchNorm1d(2) for _ in range(5))), tmp_path)


def test_missing_damaged_and_newer_files_are_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"encoder\.json: no such file. Has the run finished"):
        load_encoder_weights(encoder(), tmp_path)
    export_encoder(encoder(), tmp_path, CARD)
    card, weights = tmp_path / "encoder.json", tmp_path / "encoder.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(BadInput, match="damaged or replaced"):
        load_encoder_weights(encoder(), tmp_path)
    weights.unlink()
    with pytest.raises(BadInput, match=r"encoder\.safetensors: no such file"):
        load_encoder_weights(encoder(), tmp_path)
    card.write_text('{"format": 2}')
    with pytest.raises(BadInput, match="has the format 2; this medcl reads up to 1"):
        read_encoder_card(tmp_path)
    card.write_text("[]")
    with pytest.raises(BadInput, match="no encoder card"):
        read_encoder_card(tmp_path)
