"""Two decoders on one encoder: sizes, differences, gradients, refusals, and weights of exported encoders."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from medcl.networks import padding
from medcl.networks.encoder import build_encoder
from medcl.networks.registry import NETWORKS
from medcl.networks.segmenter import DECODERS, Segmenter, build_segmenter
from medcl.study.errors import BadInput
from medcl.training.export import export_encoder, load_encoder_weights

SIZES = [(1, 16, 16), (1, 33, 47), (4, 16, 16), (5, 33, 50), (8, 32, 32)]


def small(size: tuple[int, int, int] = (1, 32, 32), **named: object) -> Segmenter:
    torch.manual_seed(0)
    return build_segmenter("resnet10", size, 3, **named)


@pytest.mark.parametrize("size", SIZES)
def test_logits_have_the_images_size(size: tuple[int, int, int]) -> None:
    segmenter, volumes = small(size).eval(), torch.rand(2, 1, *size)
    with torch.inference_mode():
        logits, probabilities = segmenter(volumes), segmenter.probabilities(volumes)
    assert [each.shape for each in logits] == [(2, 3, *size)] * 2
    torch.testing.assert_close(probabilities, (logits[0].softmax(1) + logits[1].softmax(1)) / 2)
    torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(2, *size))


@pytest.mark.parametrize("network", [name for name in NETWORKS if NETWORKS[name].scales])
@pytest.mark.parametrize("size", [(1, 32, 48), (8, 33, 48)])
def test_every_resnet_has_a_segmenter(network: str, size: tuple[int, int, int]) -> None:
    with torch.device("meta"):
        segmenter = build_segmenter(network, size, 4)
        assert [each.shape for each in segmenter(torch.empty(2, 1, *size))] == [(2, 4, *size)] * 2


def test_an_image_of_another_size_than_it_was_built_for() -> None:
    assert small().eval()(torch.rand(1, 1, 1, 45, 19))[0].shape == (1, 3, 1, 45, 19)


def alike(first: nn.Module, second: nn.Module) -> bool:
    """Whether two decoders are the same, in their parts or in some of their weights."""
    parts = [[type(module).__name__ for module in decoder.modules()] for decoder in (first, second)]
    weights = [[w for w in decoder.parameters() if w.ndim > 2 and w.numel() > 1] for decoder in (first, second)]
    shared = any(a.shape == b.shape and torch.equal(a, b) for a in weights[0] for b in weights[1])
    return parts[0] == parts[1] or shared


def test_the_decoders_differ_in_their_parts_and_their_weights() -> None:
    segmenter = small()
    assert not alike(*segmenter.decoders)
    kinds = [{type(module) for module in decoder.modules()} for decoder in segmenter.decoders]
    assert nn.ConvTranspose2d in kinds[0]
    assert nn.Upsample not in kinds[0]
    assert nn.Upsample in kinds[1]
    assert nn.ConvTranspose2d not in kinds[1]
    with torch.inference_mode():
        first, second = segmenter.eval()(torch.rand(1, 1, 1, 32, 32))
    assert not torch.allclose(first.softmax(1), second.softmax(1), atol=1e-2)


def test_decoders_that_do_not_differ_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: with both built alike, or one copied, the comparison of the test before says so."""
    monkeypatch.setitem(DECODERS, "bilinear", "deconv")
    assert alike(*small().decoders)
    monkeypatch.undo()
    segmenter = small()
    of_second = dict(segmenter.decoders[1].named_parameters())
    for name, weight in segmenter.decoders[0].named_parameters():
        if name in of_second and of_second[name].shape == weight.shape:
            weight.data.copy_(of_second[name])
    assert alike(*segmenter.decoders)


@pytest.mark.parametrize("number", [0, 1])
def test_a_decoders_loss_trains_it_and_the_encoder_and_not_the_other(number: int) -> None:
    segmenter = small()
    segmenter(torch.rand(2, 1, 1, 32, 32))[number].square().sum().backward()
    trained = [all(p.grad is not None for p in part.parameters()) for part in (segmenter.encoder, *segmenter.decoders)]
    assert trained == [True, number == 0, number == 1]
    assert all(p.grad is None for p in segmenter.decoders[1 - number].parameters())


def test_one_decoder_is_a_plain_unet() -> None:
    segmenter = small(decoders=("transposed",))
    assert len(segmenter.decoders) == 1
    volumes = torch.rand(2, 1, 1, 32, 32)
    (logits,) = segmenter.eval()(volumes)
    torch.testing.assert_close(segmenter.probabilities(volumes), logits.softmax(dim=1))
    assert isinstance(small(decoders=("bilinear",)).decoders[0].levels[0].enlarge[-1], nn.Upsample)


def test_the_skip_connections_reach_the_logits() -> None:
    """What only the stem sees, finer than the deepest cells, changes the logits where it is."""
    segmenter = small((1, 128, 128)).eval()
    image = torch.rand(1, 1, 1, 128, 128)
    changed = image.clone()
    changed[..., 64, 64] += 1
    with torch.inference_mode():
        for before, after in zip(segmenter(image), segmenter(changed), strict=True):
            difference = (after - before).abs().sum(dim=(0, 1, 2))
            assert difference[60:69, 60:69].mean() > 20 * difference[:16, :16].mean()


@pytest.mark.parametrize("size", [(1, 32, 32), (8, 16, 16)])
def test_weights_of_an_exported_encoder_fit(tmp_path: Path, size: tuple[int, int, int]) -> None:
    torch.manual_seed(3)
    encoder = build_encoder("resnet10", size)
    export_encoder(encoder, tmp_path, {"architecture": {}})
    segmenter = small(size)
    load_encoder_weights(segmenter.encoder, tmp_path)
    state = segmenter.encoder.state_dict()
    assert all(torch.equal(state[name], value) for name, value in encoder.state_dict().items())


def test_the_same_seed_gives_the_same_weights() -> None:
    first, second = small().state_dict(), small().state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_weights_lie_with_channels_last() -> None:
    weight = small().decoders[0].levels[0].convolve.conv_0.conv.weight
    assert weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("size", [(4, 16, 16), (1, 16, 16)])
def test_gradients_in_bfloat16_are_near_those_of_fp32(
    size: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    padded: list[nn.Module] = []
    pad = padding._padded
    monkeypatch.setattr(padding, "_padded", lambda conv, image: padded.append(conv) or pad(conv, image))
    segmenter, volumes = small(size).eval(), torch.rand(2, 1, *size)
    gradients = []
    for half in (False, True):
        segmenter.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            logits = segmenter(volumes)
        torch.stack([each.float() for each in logits]).square().mean().backward()
        gradients.append(torch.cat([p.grad.flatten() for d in segmenter.decoders for p in d.parameters()]))
    torch.testing.assert_close(gradients[1], gradients[0], rtol=0.1, atol=0.05 * float(gradients[0].abs().max()))
    of_decoders = {id(module) for module in segmenter.decoders.modules()}
    assert any(id(conv) in of_decoders for conv in padded)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("vit", (1, 16, 16), 3), ["--network vit", "resnet18"]),
        (("conv3", (1, 32, 32), 3), ["--network conv3", "feature maps", "resnet18"]),
        (("resnet19", (1, 32, 32), 3), ["resnet19"]),
        (("resnet10", (1, 8, 32), 3), ["--size 1 8 32"]),
        (("resnet10", (1, 32, 32), 1), ["background"]),
        (("resnet10", (1, 32, 32), 3, ("nearest",)), ["nearest", "transposed, bilinear"]),
        (("resnet10", (1, 32, 32), 3, ("bilinear", "bilinear")), ["bilinear, bilinear"]),
        (("resnet10", (1, 32, 32), 3, ()), ["decoders none"]),
    ],
)
def test_what_cannot_be_built_is_refused_in_a_sentence(arguments: tuple, words: list[str]) -> None:
    with pytest.raises(BadInput) as refused:
        build_segmenter(*arguments)
    assert all(word in str(refused.value) for word in words), str(refused.value)
