"""Draws are keyed by sample, follow their settings, and are applied as SciPy would."""

from __future__ import annotations

import hashlib
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from medcl.data.augment import Augmentation, Draws, apply, draw
from medcl.data.augmentation import CLUSTER_VIEWS, DENSE_VIEWS
from medcl.data.blur import blur
from medcl.data.warp import rotation_and_scale, warp
from medcl.study.errors import BadInput

NOTHING = Augmentation(flip_probability=0, affine_probability=0, blur_probability=0, noise_probability=0)
TENSORS = [field.name for field in fields(Draws) if field.name != "blur_radius"]
FIRST_DRAWS = ["flip", "affine", "degrees", "scales", "spacing", "sigmas", "noise", "noise_seed"]
"""What was drawn before crop and intensities came."""
OLD_SETTINGS = [field.name for field in fields(Augmentation)][:9]


def volumes(count: int = 6, size: tuple[int, int, int] = (4, 6, 8)) -> torch.Tensor:
    return torch.rand(count, 1, *size, generator=torch.Generator().manual_seed(0))


def test_the_defaults_are_the_papers() -> None:
    draws = draw(0, 0, np.arange(4000), Augmentation())
    assert draws.flip.double().mean().item() == pytest.approx(0.5, abs=0.03)
    assert draws.affine.double().mean().item() == pytest.approx(0.5, abs=0.03)
    turned = draws.degrees[draws.affine]
    for values, low, high in (
        (turned, -10, 10),
        (draws.scales[draws.affine], 0.9, 1.1),
        (draws.sigmas, 0, 0.5),
        (draws.noise, 0, 0.05),
    ):
        assert low <= values.min() < low + 0.02 * (high - low)
        assert high >= values.max() > high - 0.02 * (high - low)
        assert values.mean().item() == pytest.approx((low + high) / 2, abs=0.03 * (high - low))
    assert (draws.degrees[~draws.affine] == 0).all()
    assert (draws.scales[~draws.affine] == 1).all()
    assert np.abs(np.corrcoef(draws.flip.numpy(), draws.affine.numpy())[0, 1]) < 0.05
    assert np.abs(np.corrcoef(turned.numpy().T) - np.eye(3)).max() < 0.07, "each axis has its own angle"


def test_a_draw_depends_on_seed_epoch_and_key_only() -> None:
    settings, keys = Augmentation(), np.arange(20)
    whole = draw(3, 5, keys, settings)
    part = draw(3, 5, keys[[17, 4]], settings)
    for name in TENSORS:
        assert torch.equal(getattr(part, name), getattr(whole, name)[[17, 4]]), name
    for seed, epoch in ((4, 5), (3, 6), (3, -1)):
        other = draw(seed, epoch, keys, settings)
        assert not torch.equal(other.sigmas, whole.sigmas)
        assert not torch.equal(other.noise_seed, whole.noise_seed)


def test_two_images_of_a_pair_are_drawn_apart() -> None:
    draws = draw(0, 0, np.arange(2000), Augmentation())
    first, second = draws.flip[0::2], draws.flip[1::2]
    assert (first == second).double().mean().item() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        ({"flip_probability": 1.0}, {"flip"}),
        ({"affine_probability": 1.0}, {"affine", "degrees", "scales"}),
        ({"rotation_degrees": 30.0}, {"degrees"}),
        ({"scale": 0.3}, {"scales"}),
        ({"isotropic_scale": True}, {"scales"}),
        ({"blur_probability": 0.2}, {"sigmas"}),
        ({"blur_sigma": 1.5}, {"sigmas"}),
        ({"noise_probability": 0.2}, {"noise"}),
        ({"noise_sd": 0.5}, {"noise"}),
        ({"crop": (0.5, 1.0)}, {"sides", "centres"}),
        ({"gamma": 0.3}, {"gammas"}),
        ({"brightness": 0.1}, {"brightness"}),
        ({"contrast": 0.2}, {"contrasts"}),
    ],
)
def test_each_setting_changes_its_draws_and_no_others(change: dict[str, Any], differs: set[str]) -> None:
    plain, changed = (draw(0, 0, np.arange(50), s) for s in (Augmentation(), replace(Augmentation(), **change)))
    assert {n for n in TENSORS if not torch.equal(getattr(plain, n), getattr(changed, n))} == differs
    if "isotropic_scale" in change:
        assert (changed.scales == changed.scales[:, :1]).all()


@pytest.mark.parametrize(
    "change",
    [
        {"flip_probability": 1.5},
        {"scale": 1.0},
        {"noise_sd": -0.1},
        {"rotation_degrees": float("nan")},
        {"crop": (0.0, 1.0)},
        {"crop": (0.8, 0.5)},
        {"crop": (0.5, 1.2)},
        {"crop": (float("nan"), 1.0)},
        {"gamma": 4.0},
        {"brightness": -0.1},
        {"contrast": 1.5},
        {"gamma_probability": 2.0},
        {"crop_probability": -0.5},
        {"crop_probability": float("nan")},
    ],
)
def test_settings_out_of_range_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match=next(iter(change))):
        Augmentation(**change)


def test_nothing_drawn_changes_nothing_and_makes_a_copy() -> None:
    before = volumes()
    after = apply(before, draw(0, 0, np.arange(6), NOTHING))
    assert torch.equal(before, after)
    assert before.data_ptr() != after.data_ptr()


def test_a_flip_mirrors_left_and_right_exactly() -> None:
    after = apply(volumes(), draw(0, 0, np.arange(6), replace(NOTHING, flip_probability=1.0)))
    assert torch.equal(after, volumes().flip(-1))


@pytest.mark.parametrize("size", [(4, 6, 8), (1, 12, 9)])
def test_flip_and_affine_in_one_interpolation_equal_one_after_the_other(size: tuple[int, int, int]) -> None:
    settings = replace(NOTHING, flip_probability=1.0, affine_probability=1.0)
    spacing = np.tile([3.0, 1.0, 1.5], (6, 1))
    draws = draw(0, 0, np.arange(6), settings, spacing)
    matrices = rotation_and_scale(draws.degrees, draws.scales, flat=size[0] == 1)
    expected = warp(volumes(size=size).flip(-1), matrices, draws.spacing)
    torch.testing.assert_close(apply(volumes(size=size), draws), expected, atol=1e-5, rtol=0)


def test_spacing_matters_to_a_rotation() -> None:
    settings = replace(NOTHING, affine_probability=1.0)
    cubes, slabs = (
        apply(volumes(), draw(0, 0, np.arange(6), settings, np.tile(s, (6, 1)))) for s in ([1.0] * 3, [5.0, 1, 1])
    )
    assert not torch.allclose(cubes, slabs, atol=1e-2)


def test_blur_is_scipys() -> None:
    draws = draw(0, 0, np.arange(6), replace(NOTHING, blur_probability=1.0))
    after = apply(volumes(), draws)
    for before, sigma, blurred in zip(volumes(), draws.sigmas, after, strict=True):
        expected = gaussian_filter(before[0].double().numpy(), sigma.numpy(), mode="reflect", truncate=4.0)
        np.testing.assert_allclose(blurred[0], expected, atol=1e-5)


def test_noise_has_the_drawn_spread() -> None:
    draws = draw(0, 0, np.arange(6), replace(NOTHING, noise_probability=1.0))
    flat = torch.full((6, 1, 16, 32, 32), 0.5)
    after = apply(flat, draws)
    torch.testing.assert_close(after.std(dim=(1, 2, 3, 4)).double(), draws.noise, rtol=0.03, atol=1e-4)
    torch.testing.assert_close(after.mean(dim=(1, 2, 3, 4)), torch.full((6,), 0.5), atol=3e-3, rtol=0)


@pytest.mark.parametrize("size", [(4, 6, 8), (1, 12, 9)])
def test_a_sample_does_not_depend_on_its_batch(size: tuple[int, int, int]) -> None:
    keys, settings = np.arange(12), Augmentation()
    whole = apply(volumes(12, size), draw(0, 0, keys, settings))
    order = [7, 2, 11]
    part = apply(volumes(12, size)[order], draw(0, 0, keys[order], settings))
    torch.testing.assert_close(part, whole[order], atol=1e-6, rtol=0)


def test_applying_twice_gives_the_same() -> None:
    draws = draw(0, 0, np.arange(6), Augmentation())
    torch.manual_seed(1)
    first = apply(volumes(), draws)
    torch.manual_seed(2)
    assert torch.equal(apply(volumes(), draws), first)


def test_autocast_does_not_touch_it() -> None:
    draws = draw(0, 0, np.arange(6), Augmentation())
    expected = apply(volumes(), draws)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(apply(volumes(), draws), expected)


def test_what_was_drawn_before_crop_and_intensities_came_stays_as_it_was() -> None:
    """The number was found with the code that knew neither; runs of then go on with the same views."""
    every = replace(DENSE_VIEWS, **{f: getattr(Augmentation(), f) for f in OLD_SETTINGS})
    for settings in (Augmentation(), every):
        draws = draw(3, 5, np.arange(40), settings, np.tile([3.0, 1.0, 1.5], (40, 1)))
        drawn = b"".join(getattr(draws, name).numpy().tobytes() for name in FIRST_DRAWS)
        assert hashlib.sha256(drawn).hexdigest()[:16] == "39e2d84e0e6be849"


@pytest.mark.parametrize("size", [(4, 6, 8), (1, 12, 9)])
def test_without_crop_and_intensities_images_are_bit_for_bit_what_they_were(size: tuple[int, int, int]) -> None:
    draws = draw(3, 5, np.arange(12), Augmentation(), np.tile([3.0, 1.0, 1.5], (12, 1)))
    before = volumes(12, size)
    expected = before.clone()
    only_flip = draws.flip & ~draws.affine
    expected[only_flip] = before[only_flip].flip(-1)
    matrices = rotation_and_scale(draws.degrees, draws.scales, flat=size[0] == 1)[draws.affine]
    mirror = torch.ones(len(matrices), 3, dtype=torch.float64)
    mirror[draws.flip[draws.affine], 0] = -1
    expected[draws.affine] = warp(
        before[draws.affine], matrices @ torch.diag_embed(mirror), draws.spacing[draws.affine]
    )
    expected = blur(expected, draws.sigmas, draws.blur_radius)
    for place, seed in enumerate(draws.noise_seed.tolist()):
        noise = torch.empty_like(before[:1]).normal_(generator=torch.Generator().manual_seed(seed))
        expected[place : place + 1].add_(noise, alpha=draws.noise[place].item())
    assert torch.equal(apply(before, draws), expected)


def test_dense_views_are_those_that_are_named() -> None:
    draws = draw(0, 0, np.arange(4000), DENSE_VIEWS)
    assert draws.flip.double().mean().item() == pytest.approx(0.5, abs=0.03)
    assert draws.affine.all()
    assert (draws.scales == 1).all()
    assert (draws.sigmas == 0).all()
    for values, low, high in (
        (draws.degrees, -20, 20),
        (draws.sides, 0.5, 1.0),
        (draws.gammas.log(), -0.3, 0.3),
        (draws.contrasts, 0.8, 1.2),
        (draws.brightness, -0.1, 0.1),
        (draws.noise, 0, 0.05),
    ):
        assert low <= values.min() < low + 0.02 * (high - low)
        assert high >= values.max() > high - 0.02 * (high - low)
        assert values.mean().item() == pytest.approx((low + high) / 2, abs=0.03 * (high - low))
    together = torch.stack([draws.sides, draws.gammas, draws.contrasts, draws.brightness, draws.noise])
    assert np.abs(np.corrcoef(together.numpy()) - np.eye(5)).max() < 0.07


def test_intensities_change_with_their_probability() -> None:
    settings = replace(NOTHING, gamma=0.3, contrast=0.2, brightness=0.1)
    often = replace(settings, gamma_probability=0.5, contrast_probability=0.2, brightness_probability=0.0)
    draws = draw(0, 0, np.arange(4000), often)
    shares = [(each != none).double().mean().item() for each, none in zip(changes(draws), (1, 1, 0), strict=True)]
    assert shares == pytest.approx([0.5, 0.2, 0.0], abs=0.03)
    for change in ("gamma", "contrast", "brightness"):
        one = replace(NOTHING, **{change: 0.2})
        assert not torch.allclose(apply(volumes(), draw(0, 0, np.arange(6), one)), volumes(), atol=1e-3), change


def changes(draws: Draws) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return draws.gammas, draws.contrasts, draws.brightness


@pytest.mark.parametrize("size", [(4, 6, 8), (1, 12, 9)])
def test_a_dense_view_does_not_depend_on_its_batch(size: tuple[int, int, int]) -> None:
    keys = np.arange(12)
    whole = apply(volumes(12, size), draw(0, 0, keys, DENSE_VIEWS))
    order = [7, 2, 11]
    part = apply(volumes(12, size)[order], draw(0, 0, keys[order], DENSE_VIEWS))
    torch.testing.assert_close(part, whole[order], atol=1e-6, rtol=0)


BEFORE_CROPS_HAD_A_PROBABILITY = {
    "14b4ee97523b56a5": Augmentation(),
    "4d77074388473719": DENSE_VIEWS,
    "8914efc7c3c41f2e": Augmentation(crop=(0.6, 1.0), gamma=0.3, brightness=0.1, contrast=0.2, gamma_probability=0.5),
}


@pytest.mark.parametrize("known", BEFORE_CROPS_HAD_A_PROBABILITY)
def test_what_was_drawn_before_crops_had_a_probability_stays_as_it_was(known: str) -> None:
    """The numbers were found with the code that always cropped."""
    draws = draw(3, 5, np.arange(40), BEFORE_CROPS_HAD_A_PROBABILITY[known], np.tile([3.0, 1.0, 1.5], (40, 1)))
    drawn = b"".join(getattr(draws, name).numpy().tobytes() for name in TENSORS)
    assert hashlib.sha256(drawn).hexdigest()[:16] == known


def test_a_crop_happens_with_its_probability_and_shifts_no_other_draw() -> None:
    always = replace(Augmentation(), crop=(0.5, 0.9))
    seldom = replace(always, crop_probability=0.2)
    one, other = (draw(0, 0, np.arange(4000), settings) for settings in (always, seldom))
    assert one.cut.all()
    assert other.cut.double().mean().item() == pytest.approx(0.2, abs=0.02)
    assert (other.centres[~other.cut] == 0).all()
    others = [draw(0, 0, np.arange(4000), replace(DENSE_VIEWS, crop_probability=p)) for p in (0.5, 1.0)]
    rest = torch.stack(
        [others[1].sides, *others[1].centres.T, *changes(others[1]), others[1].noise, *others[1].degrees.T]
    )
    by_chance = np.corrcoef(others[0].cut.double().numpy(), rest.numpy())[0, 1:]
    assert np.abs(by_chance).max() < 0.06, "whether depends on nothing else that is drawn"
    assert not draw(0, 0, np.arange(50), replace(always, crop_probability=0.0)).cut.any()
    for name in TENSORS:
        cropped = other.cut if name in ("sides", "centres") else slice(None)
        assert torch.equal(getattr(one, name)[cropped], getattr(other, name)[cropped]), name
    views = [
        apply(volumes(), draw(0, 0, np.arange(6), replace(NOTHING, crop=(0.5, 0.9), crop_probability=p)))
        for p in (0.0, 1.0)
    ]
    assert torch.equal(views[0], volumes())
    assert not torch.allclose(views[1], volumes(), atol=1e-2)


def test_cluster_views_are_those_that_are_named() -> None:
    draws = draw(0, 0, np.arange(4000), CLUSTER_VIEWS)
    happens = torch.stack([draws.flip, draws.affine, draws.sigmas[:, 0] > 0, draws.noise > 0, draws.cut]).double()
    assert happens.mean(dim=1).tolist() == pytest.approx([0.5] * 5, abs=0.03)
    assert np.abs(np.corrcoef(happens.numpy()) - np.eye(5)).max() < 0.06, "each happens by itself"
    assert torch.equal(draws.scales, torch.ones_like(draws.scales))
    for change, none in zip(changes(draws), (1, 1, 0), strict=True):
        assert (change == none).all()
    for values, low, high in (
        (draws.degrees[draws.affine], -30, 30),
        (draws.sigmas[draws.sigmas[:, 0] > 0], 0, 1.0),
        (draws.noise[draws.noise > 0], 0, 0.05),
        (draws.sides[draws.cut], 0.6, 1.0),
    ):
        assert low <= values.min() < low + 0.02 * (high - low)
        assert high >= values.max() > high - 0.02 * (high - low)
        assert values.mean().item() == pytest.approx((low + high) / 2, abs=0.03 * (high - low))


@pytest.mark.parametrize("size", [(4, 6, 8), (1, 12, 9)])
def test_a_cluster_view_does_not_depend_on_its_batch(size: tuple[int, int, int]) -> None:
    keys = np.arange(12)
    whole = apply(volumes(12, size), draw(0, 0, keys, CLUSTER_VIEWS))
    order = [7, 2, 11]
    part = apply(volumes(12, size)[order], draw(0, 0, keys[order], CLUSTER_VIEWS))
    torch.testing.assert_close(part, whole[order], atol=1e-6, rtol=0)
