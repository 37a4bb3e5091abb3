"""Batches hold the stored voxels, are keyed by epoch and sample, read each image once, and end cleanly."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

from medcl.data.augment import Augmentation
from medcl.data.loader import Loader
from medcl.data.plan import BatchPlan
from medcl.data.samples import Samples
from medcl.data.source import TaskSource
from medcl.study.errors import BadInput

CPU = torch.device("cpu")


def plan(*rows: int, augment: Any = "epoch", first_key: int = 0) -> BatchPlan:
    keys = np.arange(first_key, first_key + len(rows))
    return BatchPlan(np.array(rows), keys, {"label": np.array([1, 0], np.int8)}, augment=augment)


def stored(samples: Samples, rows: np.ndarray) -> torch.Tensor:
    arrays = [samples.store.arrays[samples.cases[row]] for row in rows]
    return torch.from_numpy(np.stack(arrays)).float()[:, None]


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() == before


@pytest.mark.parametrize("cache_bytes", [0, 10**9])
def test_without_augmentation_batches_are_the_stored_voxels(
    make_samples: Callable[..., Samples], cache_bytes: int
) -> None:
    samples = make_samples(patients=9)
    plans = [plan(3, 1, 8), plan(2, 2, 5, 2), plan(0)]
    loader = Loader(samples, None, 0, CPU, cache_bytes=cache_bytes)
    batches = list(loader.batches(plans, 0))  # kept, so that a reused buffer would show
    assert len(batches) == 3
    for batch, made_from in zip(batches, plans, strict=True):
        assert batch.volumes.dtype == torch.float32
        assert torch.equal(batch.volumes, stored(samples, made_from.rows))
        assert batch.cases == samples.cases[made_from.rows].tolist()
        assert batch.targets["label"].tolist() == [1, 0]
        assert batch.plan is made_from


def test_an_image_is_read_once_a_batch(make_samples: Callable[..., Samples]) -> None:
    samples = make_samples(patients=4)
    list(Loader(samples, None, 0, CPU).batches([plan(1, 1, 2, 1), plan(1, 3)], 0))
    assert sorted(samples.store.reads) == ["P0001_D15", "P0001_D15", "P0002_D15", "P0003_D15"]


def test_the_cache_reads_each_image_once_a_run(make_samples: Callable[..., Samples]) -> None:
    samples = make_samples(patients=4, validation=1)
    bytes_needed = 4 * 4 * 6 * 8 * 2
    for cache_bytes, reads in ((bytes_needed, 4), (bytes_needed - 1, 12)):
        samples.store.reads.clear()
        loader = Loader(samples, Augmentation(), 0, CPU, cache_bytes=cache_bytes)
        for epoch in range(3):
            list(loader.batches([plan(0, 1), plan(2, 3)], epoch))
        assert len(samples.store.reads) == reads
        assert loader.cached_bytes == (bytes_needed if reads == 4 else 0)


@pytest.mark.parametrize("cache_bytes", [0, 10**9])
def test_augmentation_follows_seed_epoch_and_key_and_not_the_batch(
    make_samples: Callable[..., Samples], cache_bytes: int
) -> None:
    samples = make_samples(patients=6)

    def volumes(seed: int, epoch: int, plans: list[BatchPlan], start: int = 0) -> torch.Tensor:
        loader = Loader(samples, Augmentation(), seed, CPU, cache_bytes=cache_bytes)
        return torch.cat([batch.volumes for batch in loader.batches(plans, epoch, start)])

    plans = [plan(0, 1, 2), plan(3, 4, 5, first_key=3)]
    expected = volumes(0, 0, plans)
    assert torch.equal(volumes(0, 0, plans, start=1), expected[3:])
    torch.testing.assert_close(volumes(0, 0, [plan(0, 1, 2, 3, 4, 5)]), expected, atol=1e-6, rtol=0)
    assert not torch.allclose(volumes(0, 1, plans), expected, atol=1e-3)
    assert not torch.allclose(volumes(1, 0, plans), expected, atol=1e-3)
    assert not torch.allclose(expected, stored(samples, np.arange(6)), atol=1e-3)


def test_the_two_views_of_an_image_differ(make_samples: Callable[..., Samples]) -> None:
    loader = Loader(make_samples(patients=3), Augmentation(), 0, CPU)
    (batch,) = loader.batches([plan(1, 1)], 0)
    assert not torch.allclose(batch.volumes[0], batch.volumes[1], atol=1e-3)


def test_which_plans_are_augmented(make_samples: Callable[..., Samples]) -> None:
    samples = make_samples(patients=3)
    loader = Loader(samples, Augmentation(), 0, CPU)

    def volumes(augment: Any, epoch: int, asked: bool) -> torch.Tensor:
        (batch,) = loader.batches([plan(0, 1, augment=augment)], epoch, augment=asked)
        return batch.volumes

    plain = stored(samples, np.array([0, 1]))
    assert torch.equal(volumes("none", 3, True), plain)
    assert torch.equal(volumes("epoch", 3, False), plain)
    fixed = volumes("fixed", 0, False)
    assert not torch.allclose(fixed, plain, atol=1e-3)
    assert torch.equal(volumes("fixed", 7, True), fixed)
    assert not torch.allclose(volumes("epoch", 0, True), fixed, atol=1e-3)


def test_leaving_early_stops_reading(make_samples: Callable[..., Samples]) -> None:
    samples = make_samples(patients=4)
    batches = Loader(samples, None, 0, CPU, prefetch=2).batches([plan(0, 1)] * 50, 0)
    next(batches)
    batches.close()
    assert len(samples.store.reads) <= 2 * 5


def test_an_error_of_reading_is_raised_at_its_batch(make_samples: Callable[..., Samples]) -> None:
    samples = make_samples(patients=4)
    good = samples.store.read

    def read(entry: Any, out: np.ndarray | None = None) -> np.ndarray:
        if entry.case == "P0002_D15":
            raise BadInput("P0002_D15.npy is gone")
        return good(entry, out)

    samples.store.read = read
    batches = Loader(samples, None, 0, CPU).batches([plan(0, 1), plan(2, 3), plan(0)], 0)
    assert len(next(batches).cases) == 2
    with pytest.raises(BadInput, match="is gone"):
        next(batches)


def test_an_error_of_the_caller_stops_reading(make_samples: Callable[..., Samples]) -> None:
    def fail() -> None:
        for _ in Loader(make_samples(patients=4), None, 0, CPU).batches([plan(0, 1)] * 50, 0):
            raise RuntimeError("the network failed")

    with pytest.raises(RuntimeError, match="the network failed"):
        fail()


def test_waiting_is_what_reading_takes_longer_than_the_caller(make_samples: Callable[..., Samples]) -> None:
    samples = make_samples(patients=2)
    good = samples.store.read

    def slow(entry: Any, out: np.ndarray | None = None) -> np.ndarray:
        time.sleep(0.02)
        return good(entry, out)

    samples.store.read = slow
    waited = {}
    for name, pause in (("busy", 0.08), ("idle", 0.0)):
        loader = Loader(samples, Augmentation(), 0, CPU, workers=1)
        for _ in loader.batches([plan(0, 1)] * 6, 0):
            time.sleep(pause)
        waited[name] = loader.waited
        assert loader.augmented > 0
    assert waited["idle"] > 0.15
    assert waited["busy"] < waited["idle"]


def test_memory_is_that_of_a_few_batches(make_samples: Callable[..., Samples], monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    empty = torch.empty
    monkeypatch.setattr(torch, "empty", lambda *a, **k: made.append(a) or empty(*a, **k))
    samples = make_samples(patients=40)
    loader = Loader(samples, None, 0, CPU, prefetch=2)
    list(loader.batches([plan(*range(n, n + 2)) for n in range(38)], 0))
    assert [shape for (shape,) in made] == [(2, 1, 4, 6, 8)] * 3


def test_no_plans_are_no_batches(make_samples: Callable[..., Samples]) -> None:
    loader = Loader(make_samples(patients=2), None, 0, CPU)
    assert list(loader.batches([], 0)) == []
    assert list(loader.batches([plan(0)], 0, start=1)) == []


def test_the_source_joins_task_and_loader(make_samples: Callable[..., Samples]) -> None:
    from medcl.data.task_options import TaskOptions
    from medcl.data.tasks import build_task

    samples = make_samples(np.linspace(10, 90, 24).tolist(), validation=8)
    for method, pairs in (("variable", "sampled"), ("variable", "in-batch"), ("simclr", "sampled")):
        task = build_task(method, pairs, samples, TaskOptions(epochs=3, pairs=16, batch_size=4, steps=2))
        source = TaskSource(task, Loader(samples, Augmentation(), 0, CPU))
        plans = source.epoch(0)
        batches = list(source.batches(plans, 0))
        assert [len(batch.cases) for batch in batches] == [len(each.rows) for each in plans]
        assert len(list(source.batches(source.validation(), 0, training=False))) == len(task.validation()) > 0
        assert source.waited >= 0
        assert source.augmented > 0


@pytest.mark.parametrize("cache_bytes", [0, 10**9])
def test_parts_together_are_the_batch_of_one_process(make_samples: Callable[..., Samples], cache_bytes: int) -> None:
    samples = make_samples(patients=6)
    chosen = plan(4, 1, 4, 0, 2, first_key=30)
    loader = Loader(samples, Augmentation(), 0, CPU, cache_bytes=cache_bytes)
    (whole,) = loader.batches([chosen], 3)
    halves = [lambda total: slice(0, 3), lambda total: slice(3, total)]
    parts = [next(iter(loader.batches([chosen], 3, part=half))) for half in halves]
    assert [len(part.volumes) for part in parts] == [3, 2]
    torch.testing.assert_close(torch.cat([part.volumes for part in parts]), whole.volumes, rtol=0, atol=1e-6)
    for part in parts:
        assert part.cases == whole.cases, "a message names the whole batch"
        assert torch.equal(part.targets["label"], whole.targets["label"])


def test_a_source_parts_training_batches_and_not_those_of_the_validation(make_samples: Callable[..., Samples]) -> None:
    samples = make_samples(patients=6)
    source = TaskSource(None, Loader(samples, None, 0, CPU), lambda total: slice(total // 2, total))
    chosen = [plan(0, 1, 2, 3)]
    assert torch.equal(next(iter(source.batches(chosen, 0))).volumes, stored(samples, np.array([2, 3])))
    (whole,) = source.batches(chosen, 0, training=False)
    assert torch.equal(whole.volumes, stored(samples, np.arange(4)))
