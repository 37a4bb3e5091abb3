"""Two views of each image with what tells negatives; training patients only."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch

from medcl.data.augmentation import DENSE_VIEWS
from medcl.data.dense_task import DenseTask
from medcl.data.loader import Loader
from medcl.data.samples import Samples
from medcl.data.source import TaskSource
from medcl.data.task_options import TaskOptions
from medcl.data.tasks import build_task
from medcl.study.errors import BadInput
from tests.data.labelled_study import labelled_study


def made(samples: Samples, **options: Any) -> DenseTask:
    return DenseTask(samples, TaskOptions(**options))


def seen(task: DenseTask, samples: Samples) -> tuple[set[str], set[str]]:
    """Splits of the images in training and in validation."""
    training = {part for epoch in range(3) for plan in task.epoch(epoch) for part in samples.splits[plan.rows]}
    return training, {part for plan in task.validation() for part in samples.splits[plan.rows]}


@pytest.mark.parametrize("slices", [False, True])
def test_test_patients_never_enter(slices: bool) -> None:
    samples = labelled_study(slices=slices)
    assert seen(made(samples), samples) == ({"train"}, {"val"})


def test_a_test_patient_who_enters_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: rows of a split that take test patients along."""
    samples = labelled_study()
    monkeypatch.setattr(Samples, "rows", lambda self, split: np.flatnonzero(np.isin(self.splits, [split, "test"])))
    assert seen(made(samples), samples) == ({"train", "test"}, {"val", "test"})


def test_views_stand_side_by_side_with_what_tells_negatives() -> None:
    samples = labelled_study(slices=True, size=(5, 6, 8))
    task = made(samples, batch_size=12)
    plans = task.epoch(1)
    for plan in plans:
        assert np.array_equal(plan.rows[0::2], plan.rows[1::2])
        assert len(set(plan.rows.tolist())) == 12
        assert np.array_equal(plan.targets["image"], plan.rows)
        same = plan.targets["patient"][:, None] == plan.targets["patient"]
        assert np.array_equal(same, samples.patients[plan.rows][:, None] == samples.patients[plan.rows])
        assert samples.slices is not None
        np.testing.assert_allclose(plan.targets["position"], samples.slices[plan.rows] / 4)
        assert plan.targets["position"].dtype == np.float32, "not every device knows float64"
    keys = np.concatenate([plan.keys for plan in plans])
    assert len(np.unique(keys)) == len(keys)


def test_volumes_have_no_position_and_none_is_near_another() -> None:
    (plan, *_) = made(labelled_study(), batch_size=4).epoch(0)
    position = plan.targets["position"]
    assert np.isnan(position).all()
    assert not (np.abs(position[:, None] - position) < 0.35).any()


def test_an_epoch_is_every_training_image_once_unless_told() -> None:
    samples = labelled_study(train=10, slices=True)
    plans = made(samples, batch_size=20).epoch(0)
    assert Counter(row for plan in plans for row in plan.rows.tolist()) == dict.fromkeys(range(80), 2)
    assert {len(plan.rows) for plan in made(samples).epoch(0)} == {64}
    assert len(made(samples, batch_size=20, dense_images=200).epoch(0)) == 10
    with pytest.raises(BadInput, match="--images-per-epoch"):
        TaskOptions(dense_images=1)


def test_slices_of_one_volume_are_kept_apart() -> None:
    samples = labelled_study(train=12, slices=True, size=(6, 4, 4))
    for plan in made(samples, batch_size=12).epoch(0)[:3]:
        assert max(Counter(samples.cases[plan.rows[0::2]]).values()) <= 2


def test_deterministic_in_seed_and_epoch() -> None:
    samples = labelled_study(slices=True)

    def plain(seed: int, epoch: int) -> Any:
        task = made(samples, seed=seed, batch_size=8)
        return [plan.rows.tolist() for plan in task.epoch(epoch)], [p.rows.tolist() for p in task.validation()]

    assert plain(0, 2) == plain(0, 2)
    assert plain(0, 1)[0] != plain(0, 2)[0]
    assert plain(0, 1)[1] == plain(0, 2)[1]
    assert plain(1, 2)[0] != plain(0, 2)[0]


def test_validation_views_belong_to_the_plan() -> None:
    task = made(labelled_study(val=3), validation_images=4)
    assert sum(len(plan.rows) for plan in task.validation()) == 8
    assert {plan.augment for plan in task.validation()} == {"fixed"}


def test_small_studies() -> None:
    task = made(labelled_study(train=2, val=0))
    assert {len(plan.rows) for plan in task.epoch(0)} == {8}
    assert task.validation() == []
    assert len(task.notes) == 2
    assert task.describe()["training_images"] == 4
    with pytest.raises(BadInput, match="two training images"):
        made(labelled_study(train=1, exams=["ED"]))


def test_the_loader_makes_its_batches_with_views() -> None:
    samples = labelled_study(slices=True, size=(4, 16, 16))
    task = build_task("dense", "sampled", samples, TaskOptions(batch_size=8))
    source = TaskSource(task, Loader(samples, DENSE_VIEWS, 0, torch.device("cpu")))
    for batch in [*source.batches(source.epoch(0), 0), *source.batches(source.validation(), 0, training=False)]:
        assert batch.views is not None
        assert batch.views.shape == (len(batch.cases), 3, 4)
        assert not torch.equal(batch.views[0::2], batch.views[1::2])
        assert {"image", "patient", "position"} <= set(batch.targets)
