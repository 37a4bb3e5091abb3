"""A segmentation network comes back from its files as it was: a U-Net of slices, or an encoder with decoders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from medcl.evaluation.predict import predict
from medcl.evaluation.saved_segmenter import STEM, load_segmenter, unet_architecture
from medcl.imaging.recipe import Recipe
from medcl.networks.segmenter import Segmenter, build_segmenter
from medcl.networks.unet import UNet
from medcl.study.errors import BadInput
from medcl.study.label_classes import LabelClass, classes_to_json
from medcl.training.export import export_encoder

CPU = torch.device("cpu")
SIZE = (1, 32, 32)
WIDTHS = (4, 8, 8)
RECIPE = Recipe(size=SIZE, slices="axial")
CLASSES = [LabelClass(1, "liver", "#0072B2"), LabelClass(6, "spleen", "#D55E00")]


def exported(folder: Path, network: torch.nn.Module, architecture: dict[str, Any]) -> None:
    card = {
        "architecture": architecture,
        "classes": classes_to_json(CLASSES),
        "recipe": RECIPE.to_json(),
        "recipe_key": RECIPE.key(),
    }
    export_encoder(network, folder, card, STEM)


def unet(folder: Path, deep: int = 0) -> UNet:
    torch.manual_seed(3)
    network = UNet(SIZE, 3, WIDTHS, deep).eval()
    exported(folder, network, unet_architecture(SIZE, 3, WIDTHS, deep))
    return network


def image(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).random(shape).astype(np.float32)


@pytest.mark.parametrize("deep", [0, 1])
def test_a_unet_comes_back_as_it_was(tmp_path: Path, deep: int) -> None:
    network = unet(tmp_path, deep)
    saved = load_segmenter(tmp_path, CPU)
    assert isinstance(saved.network, UNet)
    assert not saved.network.training
    assert (saved.size, saved.classes, saved.recipe) == (SIZE, CLASSES, RECIPE)
    assert len(saved.network(torch.zeros(1, 1, *SIZE))) == 1 + deep
    slices = torch.from_numpy(image(2, 1, *SIZE))
    with torch.inference_mode():
        torch.testing.assert_close(saved.network.probabilities(slices), network.probabilities(slices))


def test_an_encoder_with_decoders_comes_back_too(tmp_path: Path) -> None:
    network = build_segmenter("resnet10", SIZE, 3, ["bilinear"]).eval()
    told = {"network": "resnet10", "size": list(SIZE), "channels": 1, "classes": 3, "decoders": ["bilinear"]}
    exported(tmp_path, network, told)
    saved = load_segmenter(tmp_path, CPU)
    assert isinstance(saved.network, Segmenter)
    assert saved.size == SIZE


def test_only_the_finest_logits_are_predicted(tmp_path: Path) -> None:
    """The coarser ones say something else, and change nothing."""
    unet(tmp_path, deep=1)
    network = load_segmenter(tmp_path, CPU).network
    volume = image(3, 32, 32)
    with torch.inference_mode():
        finest, coarser = network(torch.from_numpy(volume)[:, None, None])
    softmaxes = [each[:, :, 0].softmax(dim=1).transpose(0, 1).numpy() for each in (finest, coarser)]
    assert np.abs(softmaxes[0] - softmaxes[1]).max() > 1e-3
    for decoder in ("mean", "first"):
        found = predict(network, volume, decoder=decoder, batch_size=2)
        assert np.allclose(found, softmaxes[0], atol=1e-5)
    with pytest.raises(BadInput, match="--decoder second: the run's network has one decoder"):
        predict(network, volume, decoder="second")


def test_larger_slices_go_by_windows_of_the_networks_size(tmp_path: Path) -> None:
    network = unet(tmp_path)
    seen = []
    network.register_forward_hook(lambda module, given, out: seen.append(tuple(given[0].shape[2:])))
    found = predict(network, image(2, 40, 33))
    assert found.shape == (3, 2, 40, 33)
    assert np.allclose(found.sum(axis=0), 1, atol=1e-4)
    assert set(seen) == {SIZE}


@pytest.mark.parametrize("missing", ["widths", "deep", "classes", "size", "network"])
def test_a_card_that_does_not_tell_the_network(tmp_path: Path, missing: str) -> None:
    unet(tmp_path)
    file = tmp_path / f"{STEM}.json"
    card = json.loads(file.read_text())
    del card["architecture"][missing]
    file.write_text(json.dumps(card))
    with pytest.raises(BadInput, match=f"does not tell how the network is built.*{missing}"):
        load_segmenter(tmp_path, CPU)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    exported(tmp_path, UNet(SIZE, 3, WIDTHS), unet_architecture(SIZE, 3, (4, 8), 0))
    with pytest.raises(BadInput, match="does not fit this network"):
        load_segmenter(tmp_path, CPU)
