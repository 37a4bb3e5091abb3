"""Two views of each training image once an epoch, and an overview of the images as they are stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from medcl.data.augmentation import CLUSTER_VIEWS
from medcl.data.cluster_task import ClusterTask
from medcl.data.loader import Loader
from medcl.data.samples import Samples, build_samples
from medcl.data.task_options import CLUSTER_BATCH, TaskOptions
from medcl.imaging.npz_cohort import npz_cohort
from medcl.imaging.npz_images import open_npz
from medcl.study.errors import BadInput
from tests.data.labelled_study import labelled_study


def test_the_default_is_512_images_and_a_pass_over_all(make_samples: Callable[..., Samples]) -> None:
    task = ClusterTask(make_samples(patients=1100), TaskOptions())
    assert (task.batch_size, task.steps) == (CLUSTER_BATCH, 3)
    assert [len(plan.rows) for plan in task.epoch(0)] == [1024] * 3
    assert task.describe()["steps"] == 3


@pytest.mark.parametrize(("batch", "steps"), [(8, 4), (7, 5), (30, 1), (31, 1), (2, 15)])
def test_every_training_image_is_seen_once_but_for_what_fills_the_last_batch(
    make_samples: Callable[..., Samples], batch: int, steps: int
) -> None:
    task = ClusterTask(make_samples(patients=35, validation=5), TaskOptions(batch_size=batch))
    size = min(batch, 30)
    for epoch in range(3):
        plans = task.epoch(epoch)
        assert len(plans) == task.steps == steps
        for plan in plans:
            assert np.array_equal(plan.rows[0::2], plan.rows[1::2])
            assert len(set(plan.rows.tolist())) == size
            assert plan.augment == "epoch"
        used = Counter(np.concatenate([plan.rows[0::2] for plan in plans]).tolist())
        assert sorted(used) == list(range(30)), "all training images, and no others"
        assert sum(count - 1 for count in used.values()) == steps * size - 30
        assert max(used.values()) <= 2
        keys = np.concatenate([plan.keys for plan in plans])
        assert len(np.unique(keys)) == len(keys)


def test_deterministic_in_seed_and_epoch(make_samples: Callable[..., Samples], case_plans: Callable[..., Any]) -> None:
    def plans(shuffle: int | None, seed: int, *epochs: int) -> Any:
        samples = make_samples(patients=30, validation=5, shuffle=shuffle)
        task = ClusterTask(samples, TaskOptions(batch_size=8, seed=seed))
        return [case_plans(samples, task.epoch(epoch)) for epoch in epochs][-1], case_plans(samples, task.validation())

    expected = plans(None, 0, 0, 1, 2)
    assert plans(7, 0, 2) == expected
    assert plans(None, 1, 2)[0] != expected[0]
    assert plans(None, 0, 1)[0] != expected[0]


@pytest.mark.parametrize("slices", [False, True])
def test_the_overview_shows_every_training_image_once(slices: bool) -> None:
    samples = labelled_study(slices=slices)
    task = ClusterTask(samples, TaskOptions(batch_size=3))
    plans = task.overview()
    rows, keys = (np.concatenate([getattr(plan, name) for plan in plans]) for name in ("rows", "keys"))
    assert rows.tolist() == samples.rows("train").tolist()
    assert len(np.unique(keys)) == len(keys)
    assert {plan.augment for plan in plans} == {"none"}
    assert [len(plan.rows) for plan in plans[:-1]] == [3] * (len(plans) - 1)
    assert 1 <= len(plans[-1].rows) <= 3


def test_the_overview_is_read_as_stored(make_samples: Callable[..., Samples]) -> None:
    samples = make_samples(patients=9, validation=2)
    task = ClusterTask(samples, TaskOptions(batch_size=4))
    loader = Loader(samples, CLUSTER_VIEWS, 0, torch.device("cpu"))
    read = torch.cat([batch.volumes for batch in loader.batches(task.overview(), 5)])
    stored = np.stack([samples.store.read(entry) for entry in samples.entries[:7]])
    assert torch.equal(read[:, 0], torch.from_numpy(stored))


def test_views_differ_between_epochs_and_those_of_the_validation_do_not(make_samples: Callable[..., Samples]) -> None:
    samples = make_samples(patients=20, validation=6)
    task = ClusterTask(samples, TaskOptions(batch_size=14))
    loader = Loader(samples, CLUSTER_VIEWS, 0, torch.device("cpu"))

    def views(plans: Any, epoch: int, augment: bool) -> torch.Tensor:
        return torch.cat([batch.volumes for batch in loader.batches(plans, epoch, augment=augment)])

    held_out = task.validation()
    assert {plan.augment for plan in held_out} == {"fixed"}
    assert sorted(row for plan in held_out for row in plan.rows[0::2]) == list(range(14, 20))
    assert torch.equal(views(held_out, 0, False), views(task.validation(), 7, False))
    plans = task.epoch(0)
    assert not torch.equal(views(plans, 0, True), views(plans, 1, True))
    first = views(plans, 0, True)
    assert not torch.equal(first[0::2], first[1::2]), "two views, not one twice"


def test_small_cohorts_and_too_small_ones(make_samples: Callable[..., Samples]) -> None:
    task = ClusterTask(make_samples(patients=6, validation=1), TaskOptions())
    assert (task.batch_size, task.steps) == (5, 1)
    assert task.validation() == []
    assert len(task.notes) == 2
    with pytest.raises(BadInput, match=r"^`medcl cluster train` needs two training images or more; the splits leave 1"):
        ClusterTask(make_samples(patients=1), TaskOptions())


def test_images_of_an_npz_go_all_the_way_to_a_batch(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    arrays: dict[str, Any] = {
        f"{part}_images": draw.integers(0, 256, (n, 7, 6), np.uint8) for part, n in (("train", 9), ("val", 4))
    }
    np.savez(tmp_path / "images.npz", **arrays, train_labels=np.arange(9) % 2, val_labels=np.arange(4) % 2)
    images = open_npz(tmp_path / "images.npz")
    samples = build_samples(images, npz_cohort(images, ["no", "yes"]), images.sides, "label")
    assert (samples.size, samples.classes) == ((1, 7, 6), ("no", "yes"))
    assert samples.values is not None
    assert samples.values.tolist() == [0, 1, 0, 1, 0, 1, 0, 1, 0, 0, 1, 0, 1]
    task = ClusterTask(samples, TaskOptions(batch_size=4))
    loader = Loader(samples, CLUSTER_VIEWS, 0, torch.device("cpu"))
    read = torch.cat([batch.volumes for batch in loader.batches(task.overview(), 0)])
    np.testing.assert_allclose(read[:, 0, 0], arrays["train_images"] / 255, rtol=1e-6)
    batch = next(loader.batches(task.epoch(0), 0))
    assert batch.volumes.shape == (8, 1, 1, 7, 6)
    assert set(batch.cases) <= {f"train-{number:05d}" for number in range(9)}
