"""A generator comes back from its files with both recipes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from medcl.evaluation.saved_translator import STEM, load_translator
from medcl.imaging.recipe import Recipe
from medcl.networks.generator import Generator
from medcl.study.errors import BadInput
from medcl.training.export import export_encoder

CPU = torch.device("cpu")
SOURCE = Recipe(size=(1, 24, 20), slices="axial", hu_window=(-200.0, 300.0))
TARGET = Recipe(size=(1, 24, 20), slices="axial", intensity="percentile")


@pytest.fixture
def network(tmp_path: Path) -> Generator:
    torch.manual_seed(0)
    made = Generator(4, 2).eval()
    card = {
        "architecture": {"filters": 4, "blocks": 2, "size": [1, 24, 20], "channels": 1},
        "source": {"filter": "modality=ct", "recipe": SOURCE.to_json()},
        "target": {"filter": "modality=mr", "recipe": TARGET.to_json()},
    }
    export_encoder(made, tmp_path, card, STEM)
    return made


def test_network_and_recipes_come_back(tmp_path: Path, network: Generator) -> None:
    saved = load_translator(tmp_path, CPU)
    assert (saved.source, saved.target, saved.recipe, saved.size) == (SOURCE, TARGET, SOURCE, (1, 24, 20))
    assert saved.card["target"]["filter"] == "modality=mr"
    assert not saved.network.training
    slices = torch.rand(2, 1, 1, 24, 20)
    assert torch.equal(saved.network(slices), network(slices))


def test_what_the_card_does_not_tell(tmp_path: Path, network: Generator) -> None:
    file = tmp_path / f"{STEM}.json"
    card = json.loads(file.read_text())
    for broken, told in (
        ({"target": {}}, "the recipes of source and target"),
        ({"source": None}, "the recipes of source and target"),
        ({"architecture": {"size": [1, 24, 20], "filters": 4}}, "how the network is built"),
        ({"architecture": card["architecture"] | {"filters": 8}}, "does not fit this network"),
    ):
        file.write_text(json.dumps(card | broken))
        with pytest.raises(BadInput, match=told):
            load_translator(tmp_path, CPU)
    file.unlink()
    with pytest.raises(BadInput, match="Has the run finished"):
        load_translator(tmp_path, CPU)
