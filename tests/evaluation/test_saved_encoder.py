"""An encoder comes back from its run folder as it was, in evaluation mode, with or without its projection."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from medcl.evaluation.saved_encoder import LAYERS, open_encoder
from medcl.networks.encoder import build_encoder
from medcl.networks.projection import Projection
from medcl.study.errors import BadInput
from medcl.training.export import export_encoder

CPU = torch.device("cpu")
CARD = {"architecture": {"network": "resnet10", "size": [1, 32, 32], "channels": 1}, "method": "simclr"}
VOLUMES = torch.rand(2, 1, 1, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    encoder = build_encoder("resnet10", (1, 32, 32)).eval()
    projection = Projection(encoder.features, hidden=32, out=16).eval()
    export_encoder(encoder, tmp_path, CARD)
    shape = {"features": encoder.features, "hidden": 32, "out": 16, "dropout": 0.1}
    export_encoder(projection, tmp_path, {"architecture": shape}, stem="projection")
    with torch.inference_mode():
        torch.save({"encoder": encoder(VOLUMES), "projection": projection(encoder(VOLUMES))}, tmp_path / "expected.pt")
    return tmp_path


@pytest.mark.parametrize("layer", LAYERS)
def test_same_features_as_when_it_was_saved(folder: Path, layer: str) -> None:
    saved = open_encoder(folder, layer, CPU)
    expected = torch.load(folder / "expected.pt", weights_only=True)[layer]
    assert not saved.module.training
    with torch.inference_mode():
        torch.testing.assert_close(saved.module(VOLUMES), expected)
    assert saved.features == expected.shape[1]
    assert saved.size == (1, 32, 32)
    assert saved.card["method"] == "simclr"


def test_projection_that_is_missing(folder: Path) -> None:
    (folder / "projection.json").unlink()
    assert open_encoder(folder, "encoder", CPU).features == 512
    with pytest.raises(BadInput, match=r"projection\.json"):
        open_encoder(folder, "projection", CPU)


def test_card_that_does_not_tell_the_architecture(folder: Path) -> None:
    export_encoder(build_encoder("resnet10", (1, 32, 32)), folder, {"method": "simclr"})
    with pytest.raises(BadInput, match="does not tell how the encoder is built"):
        open_encoder(folder, "encoder", CPU)
