"""Sharpness, elastic deformation and curves are drawn beside everything that was there before."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import torch

from medcl.data.augment import Draws, apply, draw
from medcl.data.augmentation import CLUSTER_VIEWS, DENSE_VIEWS, Augmentation
from medcl.study.errors import BadInput

LATER = {"sharpness": {"sharpness": 0.5}, "points": {"elastic": 3.0}, "curves": {"curve_probability": 0.7}}
TENSORS = [field.name for field in fields(Draws) if field.name != "blur_radius"]


@pytest.mark.parametrize("settings", [Augmentation(), DENSE_VIEWS, CLUSTER_VIEWS])
def test_by_default_none_is_drawn(settings: Augmentation) -> None:
    draws = draw(3, 5, np.arange(40), settings)
    assert [getattr(draws, name).numel() for name in LATER] == [0, 0, 0]
    assert not draws.bent.any()


@pytest.mark.parametrize("name", LATER)
def test_each_shifts_no_other_draw(name: str) -> None:
    every = replace(DENSE_VIEWS, **{k: v for each in LATER.values() for k, v in each.items()})
    plain, one, all_of_them = (
        draw(3, 5, np.arange(40), settings) for settings in (DENSE_VIEWS, replace(DENSE_VIEWS, **LATER[name]), every)
    )
    assert {n for n in TENSORS if not torch.equal(getattr(plain, n), getattr(one, n))} == {name}
    assert torch.equal(getattr(one, name), getattr(all_of_them, name))


def test_they_depend_on_seed_epoch_and_key_only() -> None:
    settings = replace(Augmentation(), **{k: v for each in LATER.values() for k, v in each.items()})
    whole = draw(3, 5, np.arange(20), settings)
    part = draw(3, 5, np.array([17, 4]), settings)
    for name in LATER:
        assert torch.equal(getattr(part, name), getattr(whole, name)[[17, 4]])
        for seed, epoch in ((4, 5), (3, 6), (3, -1)):
            assert not torch.equal(getattr(draw(seed, epoch, np.arange(20), settings), name), getattr(whole, name))


def test_the_order_is_curve_sharpness_brightness() -> None:
    still = Augmentation(flip_probability=0, affine_probability=0, blur_probability=0, noise_probability=0)
    steps: list[dict[str, Any]] = [{"curve_probability": 1.0}, {"sharpness": 0.9}, {"brightness": 0.3}]
    before = torch.rand(6, 1, 2, 8, 9, generator=torch.Generator().manual_seed(0))
    expected = before
    for step in steps:
        expected = apply(expected, draw(0, 0, np.arange(6), replace(still, **step)))
    together = replace(still, **{k: v for step in steps for k, v in step.items()})
    assert torch.equal(apply(before, draw(0, 0, np.arange(6), together)), expected)


@pytest.mark.parametrize(
    "change",
    [
        {"sharpness": 1.5},
        {"sharpness": -0.1},
        {"sharpness_probability": 2.0},
        {"elastic": -1.0},
        {"elastic": 101.0},
        {"elastic_probability": float("nan")},
        {"curve_probability": 1.1},
    ],
)
def test_settings_out_of_range_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match=f"augmentation {next(iter(change))} is"):
        Augmentation(**change)
