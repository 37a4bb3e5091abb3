"""Bezier curves of intensities: known curves, order kept or turned round, draws."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from medcl.data import intensity_curve as curve_file
from medcl.data.augment import apply, apply_with_labels, draw
from medcl.data.augmentation import Augmentation
from medcl.data.intensity_curve import STRAIGHT, through_curves

STILL = Augmentation(flip_probability=0, affine_probability=0, blur_probability=0, noise_probability=0)
CURVED = replace(STILL, curve_probability=1.0)
SIZE = (2, 8, 9)


def volumes(count: int = 6) -> torch.Tensor:
    return torch.rand(count, 1, *SIZE, generator=torch.Generator().manual_seed(0))


def curve(*points: tuple[float, float]) -> torch.Tensor:
    return torch.tensor(points, dtype=torch.float64)[None]


def test_the_straight_line_leaves_every_bit_and_its_negative_turns_round() -> None:
    before = volumes(1) * 3 - 1
    assert torch.equal(through_curves(before.clone(), STRAIGHT[None]), before), "nor is anything cut off"
    falling = curve((0, 1), (1 / 3, 2 / 3), (2 / 3, 1 / 3), (1, 0))
    torch.testing.assert_close(through_curves(volumes(1), falling), 1 - volumes(1))


def test_a_curve_that_is_known_in_closed_form() -> None:
    """Points at thirds along x make x the parameter: y is then the polynomial of Bernstein itself."""
    points = curve((0, 0), (1 / 3, 0.9), (2 / 3, 0.2), (1, 1))
    x = volumes(1).double()
    expected = 3 * 0.9 * x * (1 - x) ** 2 + 3 * 0.2 * x**2 * (1 - x) + x**3
    torch.testing.assert_close(through_curves(x.clone(), points), expected, atol=3e-6, rtol=0)
    ends = torch.tensor([-0.5, 0.0, 1.0, 1.5]).view(1, 1, 1, 1, 4)
    assert through_curves(ends, points).flatten().tolist() == [0, 0, 1, 1]


def test_steep_curves_are_those_of_their_parameter() -> None:
    points = curve((0, 0), (0.95, 0.05), (0.1, 0.9), (1, 1))
    t = torch.linspace(0, 1, 200, dtype=torch.float64)
    x, y = ((3 * p * t * (1 - t) ** 2 + 3 * q * t**2 * (1 - t) + t**3) for p, q in ((0.95, 0.1), (0.05, 0.9)))
    assert (x.diff() > 0).all()
    torch.testing.assert_close(through_curves(x.view(1, 1, 1, 1, -1).clone(), points).flatten(), y, atol=2e-3, rtol=0)


def test_order_is_kept_or_turned_round_as_often() -> None:
    draws = draw(0, 0, np.arange(400), CURVED)
    ramp = torch.linspace(0, 1, 50).expand(400, 1, 1, 1, 50)
    found = apply(ramp, draws)[:, 0, 0, 0]
    rises = draws.curves[:, 0, 1] == 0
    assert rises.double().mean().item() == pytest.approx(0.5, abs=0.06)
    assert (found[rises].diff(dim=1) >= -1e-6).all()
    assert (found[~rises].diff(dim=1) <= 1e-6).all()
    for chosen, ends in ((rises, [0.0, 1.0]), (~rises, [1.0, 0.0])):
        torch.testing.assert_close(found[chosen][:, [0, -1]], torch.tensor(ends).expand(int(chosen.sum()), 2))
    middle = torch.where(rises[:, None], found, 1 - found)[:, 24]
    assert middle.std() > 0.1, "curves differ"


def test_curves_happen_with_their_probability() -> None:
    draws = draw(0, 0, np.arange(4000), replace(CURVED, curve_probability=0.3))
    happens = (draws.curves != STRAIGHT).flatten(1).any(dim=1)
    assert happens.double().mean().item() == pytest.approx(0.3, abs=0.03)
    always = draw(0, 0, np.arange(4000), CURVED)
    assert torch.equal(draws.curves[happens], always.curves[happens])
    inner = always.curves[:, 1:3].flatten(1).numpy()
    assert inner.min() < 0.01
    assert inner.max() > 0.99
    rising = inner[always.curves[:, 0, 1].numpy() == 0]
    assert np.abs(np.corrcoef(rising.T) - np.eye(4)).max() < 0.08, "each number is its own"


def test_images_change_and_labels_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = replace(CURVED, curve_probability=0.5)
    draws, marks = draw(0, 0, np.arange(6), settings), (volumes() * 4).to(torch.uint8)
    found, marked, _ = apply_with_labels(volumes(), marks, draws)
    assert marked is not None
    assert torch.equal(marked, marks)
    happens = (draws.curves != STRAIGHT).flatten(1).any(dim=1)
    assert 0 < happens.sum() < 6
    assert torch.equal((found != volumes()).flatten(1).any(dim=1), happens)
    order = [4, 0, 5]
    assert torch.equal(apply(volumes()[order], draw(0, 0, np.array(order), settings)), found[order])
    monkeypatch.setattr(curve_file, "CHUNK_VOXELS", 1)
    assert torch.equal(apply(volumes(), draws), found), "however many are looked up at a time"
