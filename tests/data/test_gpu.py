"""Loader and augmentation on a CUDA device give what they give on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from medcl.data.augment import Augmentation, apply, apply_with_labels, draw
from medcl.data.augmentation import DENSE_VIEWS
from medcl.data.loader import Loader
from medcl.data.plan import BatchPlan
from medcl.data.samples import Samples
from tests.data.labelled_study import CLASSES, labelled_study

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]

CUDA, CPU = torch.device("cuda"), torch.device("cpu")


@pytest.mark.parametrize("cache_bytes", [0, 10**9])
def test_batches_are_those_of_the_cpu(make_samples: Callable[..., Samples], cache_bytes: int) -> None:
    samples = make_samples(patients=30, size=(16, 48, 64))
    generator = np.random.default_rng(0)
    plans = [BatchPlan(generator.integers(0, 30, 12), np.arange(12) + 12 * n) for n in range(20)]
    settings = replace(Augmentation(), noise_probability=0.0)
    for augmentation in (None, settings):
        on_cpu = Loader(samples, augmentation, 0, CPU)
        on_gpu = Loader(samples, augmentation, 0, CUDA, cache_bytes=cache_bytes)
        kept = list(on_gpu.batches(plans, 0))  # all at once, so that memory reused too early would show
        for expected, found in zip(on_cpu.batches(plans, 0), kept, strict=True):
            assert found.volumes.device.type == "cuda"
            torch.testing.assert_close(found.volumes.cpu(), expected.volumes, atol=1e-5, rtol=0)
        assert (on_gpu.augmented > 0) == (augmentation is not None)


def test_noise_depends_on_the_sample_and_not_on_the_batch() -> None:
    volumes, keys = torch.rand(12, 1, 8, 16, 16, device=CUDA), np.arange(12)
    whole = apply(volumes, draw(0, 0, keys, Augmentation()))
    order = [7, 2, 11]
    part = apply(volumes[order], draw(0, 0, keys[order], Augmentation()))
    torch.testing.assert_close(part, whole[order], atol=1e-6, rtol=0)


@pytest.mark.parametrize("cache_bytes", [0, 10**9])
@pytest.mark.parametrize("slices", [False, True])
def test_labels_and_views_are_those_of_the_cpu(slices: bool, cache_bytes: int) -> None:
    samples = labelled_study(slices=slices, masked=[f"P{n:02d}_ED" for n in range(8)], size=(8, 32, 48))
    labelled = np.arange(12) % 3 > 0
    plans = [BatchPlan(np.arange(12), np.arange(12) + 12 * n, {"labelled": labelled}) for n in range(5)]
    settings = replace(DENSE_VIEWS, noise_sd=0.0)
    on_cpu = Loader(samples, settings, 0, CPU, classes=CLASSES)
    on_gpu = Loader(samples, settings, 0, CUDA, classes=CLASSES, cache_bytes=cache_bytes)
    kept = list(on_gpu.batches(plans, 0))
    for expected, found in zip(on_cpu.batches(plans, 0), kept, strict=True):
        assert found.labels is not None
        assert expected.labels is not None
        assert found.views is not None
        assert expected.views is not None
        assert torch.equal(found.views, expected.views)
        torch.testing.assert_close(found.volumes.cpu(), expected.volumes, atol=1e-3, rtol=1e-3)
        other = (found.labels.cpu() != expected.labels).double().mean().item()
        assert other < 1e-3, "places half-way between two voxels may round either way"


@pytest.mark.parametrize("size", [(1, 64, 48), (8, 32, 48)])
def test_elastic_deformation_sharpness_and_curves_are_those_of_the_cpu(size: tuple[int, int, int]) -> None:
    volumes = torch.rand(12, 1, *size, generator=torch.Generator().manual_seed(0))
    labels = (volumes * 5).to(torch.uint8)
    settings = replace(DENSE_VIEWS, noise_sd=0.0, sharpness=0.5, elastic=3.0, curve_probability=0.5)
    draws = draw(0, 0, np.arange(12), settings)
    expected, expected_labels, _ = apply_with_labels(volumes, labels, draws)
    found, found_labels, _ = apply_with_labels(volumes.to(CUDA), labels.to(CUDA), draws)
    assert (found.cpu() - expected).abs().mean().item() < 1e-4, "curves may be steep at single voxels"
    assert expected_labels is not None
    assert found_labels is not None
    assert (found_labels.cpu() != expected_labels).double().mean().item() < 1e-3
