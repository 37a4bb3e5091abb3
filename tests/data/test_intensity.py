"""Gamma, contrast and brightness, by hand."""

from __future__ import annotations

import torch

from medcl.data.intensity import change_intensities

ONE, NONE = torch.ones(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)


def volumes() -> torch.Tensor:
    return torch.rand(3, 1, 2, 4, 5, generator=torch.Generator().manual_seed(0))


def test_nothing_changes_nothing() -> None:
    assert torch.equal(change_intensities(volumes(), ONE, ONE, NONE), volumes())


def test_gamma_takes_to_a_power_and_leaves_0_and_1() -> None:
    gammas = torch.tensor([2.0, 1.0, 0.5])
    found = change_intensities(volumes(), gammas, ONE, NONE)
    torch.testing.assert_close(found[0], volumes()[0] ** 2)
    assert torch.equal(found[1], volumes()[1])
    torch.testing.assert_close(found[2], volumes()[2].sqrt())
    ends = torch.tensor([0.0, 1.0, -0.1]).view(1, 1, 1, 1, 3)
    assert change_intensities(ends, torch.tensor([1.7]), ONE[:1], NONE[:1]).flatten().tolist() == [0, 1, 0]


def test_contrast_stretches_about_the_samples_own_mean() -> None:
    found = change_intensities(volumes(), ONE, torch.tensor([1.5, 1.0, 0.5]), NONE)
    for number, factor in ((0, 1.5), (2, 0.5)):
        before = volumes()[number]
        torch.testing.assert_close(found[number], before.mean() + factor * (before - before.mean()))
    assert torch.equal(found[1], volumes()[1])


def test_brightness_is_added() -> None:
    found = change_intensities(volumes(), ONE, ONE, torch.tensor([0.1, 0.0, -0.2]))
    more = torch.tensor([0.1, 0.0, -0.2]).view(3, 1, 1, 1, 1)
    torch.testing.assert_close(found, volumes() + more)


def test_the_order_is_gamma_contrast_brightness() -> None:
    changes = torch.tensor([1.3, 0.8, 1.1]), torch.tensor([0.8, 1.2, 1.1]), torch.tensor([0.05, -0.1, 0.02])
    powers = change_intensities(volumes(), changes[0], ONE, NONE)
    stretched = change_intensities(powers, ONE, changes[1], NONE)
    expected = change_intensities(stretched, ONE, ONE, changes[2])
    assert torch.equal(change_intensities(volumes(), *changes), expected)
