"""The generator: sizes, ranges, taps that stop early and are those of the translating pass, gradients, refusals."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from medcl.networks.generator import LEAST, Generator
from medcl.networks.taps import PAPER_TAPS, STEM_TAPS
from medcl.study.errors import BadInput


def small(blocks: int = 2, filters: int = 4) -> Generator:
    torch.manual_seed(0)
    return Generator(filters, blocks)


def slices(images: int = 2, size: tuple[int, int] = (16, 20)) -> Tensor:
    return torch.rand(images, 1, 1, *size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("size", [(5, 5), (6, 7), (16, 16), (17, 22), (31, 35)])
@pytest.mark.parametrize("images", [1, 3])
def test_slices_of_any_size_keep_it_and_stay_in_range(size: tuple[int, int], images: int) -> None:
    generator, given = small(), slices(images, size)
    for weight in generator.parameters():
        weight.data *= 20  # so that tanh has something to bound
    translated = generator(given)
    assert translated.shape == given.shape
    assert translated.dtype == torch.float32
    assert ((translated >= 0) & (translated <= 1)).all()
    assert translated.std() > 0.01


def test_the_papers_generator() -> None:
    with torch.device("meta"):
        generator = Generator()
        given = torch.empty(1, 1, 1, 256, 256)
        translated, taps = generator.translate(given, PAPER_TAPS)
    assert sum(weight.numel() for weight in generator.parameters()) == 11_360_833
    assert len(generator.residuals) == 9
    assert translated.shape == given.shape
    assert [tuple(map_.shape) for map_ in taps.values()] == [
        (1, 1, 262, 262),
        (1, 128, 256, 256),
        (1, 256, 128, 128),
        (1, 256, 64, 64),
        (1, 256, 64, 64),
    ]
    assert generator.tap_channels(PAPER_TAPS) == {name: map_.shape[1] for name, map_ in taps.items()}
    assert generator.tap_channels(STEM_TAPS)["stem"] == 64


def computed(generator: Generator, ask: str, names: tuple[str, ...]) -> set[str]:
    """The parts that ran."""
    ran: set[str] = set()
    parts = {"down1": generator.down1, "down2": generator.down2, "last": generator.last}
    parts |= {f"block{number}": block for number, block in enumerate(generator.residuals, start=1)}
    hooks = [part.register_forward_hook(lambda *_, name=name: ran.add(name)) for name, part in parts.items()]
    getattr(generator, ask)(slices(), names)
    for hook in hooks:
        hook.remove()
    return ran


def test_nothing_behind_the_deepest_tap_is_computed() -> None:
    generator = small(blocks=3)
    assert computed(generator, "taps", ("stem", "down1")) == {"down1"}
    assert computed(generator, "taps", ("block2", "input")) == {"down1", "down2", "block1", "block2"}
    assert computed(generator, "taps", ()) == set()


def test_a_pass_that_goes_on_is_noticed() -> None:
    """The twin: translating goes through all, which the same hooks see."""
    ran = computed(small(blocks=3), "translate", ("stem", "down1"))
    assert ran == {"down1", "down2", "block1", "block2", "block3", "last"}


def test_one_pass_gives_what_two_give() -> None:
    generator, given, names = small(), slices(), ("block2", "stem", "input")
    translated, taps = generator.translate(given, names)
    assert torch.equal(translated, generator(given))
    alone = generator.taps(given, names)
    assert list(taps) == list(alone) == list(names)
    assert all(torch.equal(taps[name], alone[name]) for name in names)


def test_what_the_taps_are() -> None:
    generator, given = small(), slices()
    seen: dict[str, Tensor] = {}
    for name in ("stem", "down1", "down2"):
        getattr(generator, name).register_forward_hook(lambda _, __, out, name=name: seen.update({name: out.clone()}))
    taps = generator.taps(given, generator.names)
    assert all(torch.equal(taps[name], map_) for name, map_ in seen.items())  # before norm and ReLU
    inner = taps["input"][:, :, 3:-3, 3:-3]
    torch.testing.assert_close(inner, 2 * given[:, :, 0] - 1)
    assert torch.equal(taps["input"][..., 3:-3, 2], inner[..., 1])  # mirrored without the edge itself
    again = generator.residuals[1](taps["block1"])
    assert torch.equal(taps["block2"], again)


def test_a_slice_does_not_depend_on_its_batch() -> None:
    generator, given = small().double(), slices(3).double()
    torch.testing.assert_close(generator(given)[1:2], generator(given[1:2]))
    changed = given.clone()
    changed[0] = 1 - changed[0]
    torch.testing.assert_close(generator(changed)[1:], generator(given)[1:])


def test_every_weight_is_trained_and_the_taps_train_the_way_down_only() -> None:
    generator = small()
    (generator(slices()) - 1).square().mean().backward()
    untrained = {name for name, weight in generator.named_parameters() if weight.grad is None}
    assert untrained == set()
    generator.zero_grad()
    # the norm behind them takes off the biases; the taps, which lie before it, do not
    sum(
        map_.square().sum() for map_ in generator.taps(slices(), ("stem", "down1", "down2", "block2")).values()
    ).backward()
    down = {name for name, weight in generator.named_parameters() if weight.grad is not None and weight.grad.any()}
    assert down == {
        name for name, _ in generator.named_parameters() if name.split(".")[0] not in ("up1", "up2", "last")
    }


def test_the_blocks_add_to_what_came_in() -> None:
    generator, given = small(), slices()
    for weight in generator.residuals.parameters():
        weight.data.zero_()
    taps = generator.taps(given, ("block1", "block2"))
    assert torch.equal(taps["block1"], taps["block2"])
    assert taps["block1"].std() > 0


def test_filters_and_blocks_change_the_network() -> None:
    weights = {key: sum(w.numel() for w in small(*key).parameters()) for key in ((2, 4), (3, 4), (2, 8))}
    assert weights[3, 4] - weights[2, 4] == 2 * 16 * 16 * 9
    assert weights[2, 8] > 3 * weights[2, 4]


def test_it_can_learn_to_invert_two_slices() -> None:
    generator, given = small(filters=8), slices(2, (12, 12))
    given[:, :, :, 3:9, 2:7] *= 0.2
    optimizer = torch.optim.Adam(generator.parameters(), lr=2e-3)
    losses = []
    for _ in range(100):
        loss = (generator(given) - (1 - given)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.45 * given.var()


def test_gradients_in_bfloat16_are_near_those_of_fp32() -> None:
    generator, given = small(), slices()
    gradients = []
    for half in (False, True):
        generator.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            translated, taps = generator.translate(given, ("block1",))
        assert translated.dtype == torch.float32
        assert all(torch.isfinite(map_).all() for map_ in taps.values())
        (translated - 1).square().mean().backward()
        gradients.append(torch.cat([weight.grad.flatten() for weight in generator.parameters()]))
    assert torch.isfinite(gradients[1]).all()
    torch.testing.assert_close(gradients[1], gradients[0], rtol=0.1, atol=0.1 * float(gradients[0].abs().max()))


def test_double_stays_double_and_uniform_slices_stay_finite() -> None:
    generator = small().double()
    translated = generator(torch.zeros(1, 1, 1, 12, 12, dtype=torch.float64))
    assert translated.dtype == torch.float64
    assert torch.isfinite(translated).all()


def test_the_smallest_slice_trains_and_a_smaller_one_is_refused() -> None:
    generator = small()
    generator.train()(slices(1, (LEAST, LEAST))).sum().backward()
    for size in ((LEAST - 1, 32), (32, LEAST - 1)):
        with pytest.raises(BadInput, match=f"--size 1 {size[0]} {size[1]} .* generator: it needs at least 1 5 5"):
            generator(slices(1, size))


@pytest.mark.parametrize("shape", [(1, 3, 1, 16, 16), (1, 1, 4, 16, 16), (1, 1, 16, 16)])
def test_what_is_no_slice_with_one_channel_is_refused(shape: tuple[int, ...]) -> None:
    for ask in (lambda given: small()(given), lambda given: small().taps(given, ("stem",))):
        with pytest.raises(BadInput, match="single slices with one channel"):
            ask(torch.rand(shape))


def test_a_tap_that_it_does_not_have_is_refused() -> None:
    generator = small(blocks=4)
    for ask in (generator.taps, generator.translate):
        with pytest.raises(BadInput, match=r"taps block5: a generator of 4 blocks .* input, stem, .* block4\."):
            ask(slices(), PAPER_TAPS)
    with pytest.raises(BadInput, match="taps 4"):
        generator.tap_channels(["4"])


def test_without_blocks_there_is_no_generator() -> None:
    with pytest.raises(ValueError, match="blocks"):
        Generator(4, 0)


def test_convolutions_that_zeros_pad_are_padded_by_hand_where_torch_errs() -> None:
    convolutions = [each for each in small().modules() if isinstance(each, nn.Conv2d) and any(each.padding)]
    assert {type(each).__name__ for each in convolutions} == {"_PaddedConv2d"}
