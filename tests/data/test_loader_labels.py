"""Labels lie on the image in every view, follow the plan, and never show what the plan hides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from medcl.data import warp
from medcl.data.augment import draw
from medcl.data.augmentation import DENSE_VIEWS
from medcl.data.loader import FIXED_EPOCH, Batch, Loader
from medcl.data.plan import BatchPlan
from medcl.data.samples import Samples
from medcl.data.views import unmoved, view_matrices
from medcl.losses.cross_entropy_dice import UNLABELLED
from medcl.study.errors import BadInput
from tests.data.labelled_study import CLASSES, labelled_study

CPU = torch.device("cpu")
MOVES = replace(DENSE_VIEWS, noise_sd=0.0, gamma=0.0, brightness=0.0, contrast=0.0)
STUDIES: list[dict[str, Any]] = [{}, {"slices": True}]


def plan(*rows: int, labelled: Sequence[bool] | None = None, first_key: int = 0, augment: Any = "epoch") -> BatchPlan:
    targets = {} if labelled is None else {"labelled": np.array(labelled)}
    return BatchPlan(np.array(rows), np.arange(first_key, first_key + len(rows)), targets, augment)


def loader(samples: Samples, **options: Any) -> Loader:
    return Loader(samples, options.pop("augmentation", MOVES), 3, CPU, classes=CLASSES, **options)


def first(samples: Samples, *plans: BatchPlan, epoch: int = 0, **options: Any) -> Batch:
    return next(iter(loader(samples, **options).batches(plans, epoch)))


def misplaced(batch: Batch) -> float:
    """Share of the voxels inside of the image whose label is not that of the nearest place; both number it along x."""
    assert batch.labels is not None
    labels, length = batch.labels.double(), batch.volumes.shape[4]
    inside = (batch.volumes >= 1) & (labels > 0) & (labels < length)
    # between two slices or rows that end in background the ramp is lowered: only full voxels tell their place
    full = warp.resample(torch.ones_like(batch.volumes), batch.views)[0] > 0.999
    inside &= full
    assert inside.double().mean() > 0.3
    return float(((labels - batch.volumes).abs() > 0.5 + 1e-3)[inside].double().mean())


@pytest.mark.parametrize("study", STUDIES)
@pytest.mark.parametrize("cache_bytes", [0, 10**9])
def test_labels_lie_exactly_on_the_image(study: dict[str, Any], cache_bytes: int) -> None:
    batch = first(labelled_study(**study), plan(*range(12), labelled=[True] * 12), cache_bytes=cache_bytes)
    assert batch.labels is not None
    assert batch.labels.shape == batch.volumes.shape
    assert batch.labels.dtype == torch.int64
    assert misplaced(batch) == 0


@pytest.mark.parametrize("study", STUDIES)
@pytest.mark.parametrize("fault", ["one voxel", "other corners", "other draw"])
def test_labels_beside_the_image_are_noticed(
    study: dict[str, Any], fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twins: labels moved by a voxel, sampled with other corners, or warped as another image."""
    good = warp.grid_sample
    if fault == "other corners":
        wrong = lambda *a, **k: good(*a, **{**k, "align_corners": k["mode"] == "nearest"})  # noqa: E731
        monkeypatch.setattr(warp, "grid_sample", wrong)
    batch = first(labelled_study(**study), plan(*range(12)))
    assert batch.labels is not None
    if fault == "one voxel":
        batch = replace(batch, labels=batch.labels.roll(1, dims=4))
    if fault == "other draw":
        batch = replace(batch, labels=batch.labels.roll(1, dims=0))
    assert misplaced(batch) > 0.02


def test_a_mirrored_image_has_its_labels_mirrored_and_outside_is_background() -> None:
    still = replace(MOVES, affine_probability=0.0, crop=None, flip_probability=1.0)
    batch = first(labelled_study(), plan(0, 3), augmentation=still)
    assert batch.labels is not None
    assert torch.equal(batch.labels, batch.volumes.long())
    assert batch.labels[0, 0, 0, 0].tolist() == list(range(16, 0, -1))
    shrunk = replace(still, affine_probability=1.0, rotation_degrees=0.0, scale=0.5, flip_probability=0.0)
    batch = first(labelled_study(), plan(*range(8)), augmentation=shrunk)
    assert batch.labels is not None
    outside = batch.volumes == 0
    assert outside.any()
    assert (batch.labels[outside] == 0).all()


def test_stored_images_have_stored_labels_and_lie_where_they_lie() -> None:
    for augmentation, augment in ((None, "epoch"), (MOVES, "none")):
        batch = first(labelled_study(), plan(2, 5, 2, augment=augment), augmentation=augmentation)
        assert batch.labels is not None
        assert torch.equal(batch.labels, batch.volumes.long())
        assert batch.views is not None
        assert torch.equal(batch.views, unmoved(3))


def test_no_labels_are_read_unless_they_are_asked_for() -> None:
    samples = labelled_study()
    batch = next(iter(Loader(samples, MOVES, 3, CPU).batches([plan(0, 1)], 0)))
    assert batch.labels is None
    assert samples.store.reads == []  # type: ignore[attr-defined]


def unlabelled_images(batch: Batch) -> list[bool]:
    """Which images are unlabelled in their whole view, and none in part."""
    assert batch.labels is not None
    hidden = (batch.labels == UNLABELLED).flatten(1)
    assert (hidden.all(dim=1) == hidden.any(dim=1)).all()
    return hidden.all(dim=1).tolist()


@pytest.mark.parametrize("cache_bytes", [0, 10**9])
def test_what_has_no_mask_or_is_hidden_is_unlabelled_everywhere(cache_bytes: int) -> None:
    samples = labelled_study(masked=["P00_ED", "P01_ED", "P02_ED"])
    batch = first(samples, plan(0, 1, 2, 3, 4), cache_bytes=cache_bytes)
    assert unlabelled_images(batch) == [False, True, False, True, False]
    hides = plan(0, 1, 2, 0, 4, labelled=[True, True, False, False, True])
    batch = first(samples, hides, cache_bytes=cache_bytes)
    assert unlabelled_images(batch) == [False, True, True, True, False]
    assert batch.targets["labelled"].tolist() == [True, True, False, False, True]


def test_a_mask_that_is_not_hidden_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: a loader that does not listen to the plan."""
    monkeypatch.setattr(Loader, "_hide", lambda self, labels, plan, own: labels)
    batch = first(labelled_study(), plan(0, 1, labelled=[True, False]))
    assert unlabelled_images(batch) == [False, False]


@pytest.mark.parametrize("study", STUDIES)
@pytest.mark.parametrize("cache_bytes", [0, 10**9])
def test_parts_together_are_the_whole(study: dict[str, Any], cache_bytes: int) -> None:
    samples = labelled_study(**study, masked=[f"P{n:02d}_ED" for n in range(8)])
    chosen = plan(4, 1, 4, 0, 2, 6, 3, labelled=[True, False, False, True, True, True, True], first_key=20)
    both = loader(samples, cache_bytes=cache_bytes, workers=3)
    (whole,) = both.batches([chosen], 2)
    parts = [slice(0, 3), slice(3, 5), slice(5, 7)]
    found = [next(iter(both.batches([chosen], 2, part=lambda total, part=part: part))) for part in parts]
    assert whole.labels is not None
    assert whole.views is not None
    assert torch.equal(torch.cat([batch.labels for batch in found]), whole.labels)
    assert torch.equal(torch.cat([batch.views for batch in found]), whole.views)


@pytest.mark.parametrize("cache_bytes", [0, 10**9])
def test_labels_and_views_follow_seed_epoch_and_key_and_not_the_batch(cache_bytes: int) -> None:
    samples = labelled_study(slices=True)
    plans = [plan(0, 1, 2), plan(3, 4, 5, first_key=3), plan(6, 7, first_key=6)]

    def made(plans: list[BatchPlan], epoch: int, workers: int = 2, start: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
        batches = loader(samples, cache_bytes=cache_bytes, workers=workers).batches(plans, epoch, start)
        kept = list(batches)
        return torch.cat([b.labels for b in kept]), torch.cat([b.views for b in kept])  # type: ignore[misc]

    expected = made(plans, 1)
    for found, rows in (
        (made(plans, 1, workers=5), slice(None)),
        (made(plans, 1, start=1), slice(3, None)),
        (made([plan(*range(8))], 1), slice(None)),
    ):
        assert all(torch.equal(a, b[rows]) for a, b in zip(found, expected, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(made(plans, 2), expected, strict=True))


def test_views_are_those_of_the_draws_and_fixed_ones_stay() -> None:
    samples = labelled_study()
    batch = first(samples, plan(3, 3, first_key=8), epoch=5)
    draws = draw(3, 5, np.array([8, 9]), MOVES, samples.spacings()[[3, 3]])
    assert batch.views is not None
    assert batch.views.dtype == torch.float64
    assert torch.equal(batch.views, view_matrices(draws, samples.size))
    fixed = [first(samples, plan(3, 3, augment="fixed"), epoch=epoch).views for epoch in (0, 4)]
    draws = draw(3, FIXED_EPOCH, np.array([0, 1]), MOVES, samples.spacings()[[3, 3]])
    for each in fixed:
        assert torch.equal(each, view_matrices(draws, samples.size))  # type: ignore[arg-type]


def test_the_cache_counts_and_reads_labels_once() -> None:
    samples = labelled_study(train=3, val=1, test=1)
    voxels = 4 * 2 * 4 * 12 * 16
    for cache_bytes, reads in ((3 * voxels, 8), (3 * voxels - 1, 6)):
        samples.store.reads.clear()  # type: ignore[attr-defined]
        made = loader(samples, cache_bytes=cache_bytes)
        for epoch in range(3):
            list(made.batches([plan(0, 1)], epoch))
        assert len(samples.store.reads) == reads  # type: ignore[attr-defined]
        assert made.cached_bytes == (3 * voxels if reads == 8 else 0)
        assert not any(case.startswith("P04") for case in samples.store.reads)  # type: ignore[attr-defined]


def test_an_unknown_value_is_told_where_the_batch_is_asked_for() -> None:
    made = Loader(labelled_study(), None, 0, CPU, classes=CLASSES[:3])
    with pytest.raises(BadInput, match="no class"):
        next(iter(made.batches([plan(0)], 0)))
