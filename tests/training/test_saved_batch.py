"""A batch at which a run breaks is saved as the network saw it."""

from __future__ import annotations

import errno
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from training_toy import IMAGES, ToyBatch, ToyMethod, ToySource, run

from medcl.study.errors import RunFailed
from medcl.training import loop, saved_batch
from medcl.training.finite import NotFinite
from medcl.training.saved_batch import STEM, save_broken_batch

BAD = 13
"""The image of the toy source that has a NaN."""


def poisoned() -> ToySource:
    """A source with a NaN in one voxel of one image, which is trained on once an epoch."""
    source = ToySource()
    source.images[BAD, 0, 2, 3] = math.nan
    return source


class Sees(ToyMethod):
    """Remembers the volumes of its last batch."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Tensor | None = None

    def steps(self, batch: ToyBatch) -> Iterator[Any]:
        self.seen = batch.volumes.clone()
        yield from super().steps(batch)


def broken_run(folder: Path, **how: Any) -> tuple[RunFailed, Sees]:
    method = Sees()
    with pytest.raises(RunFailed) as error:
        run(folder, method=method, **{"source": poisoned(), **how})
    return error.value, method


def same(one: Tensor, other: Tensor) -> bool:
    """Equal bit for bit, NaN included."""
    return torch.equal(one.view(torch.int32), other.view(torch.int32))


def assert_holds_what_the_network_saw(folder: Path, method: Sees) -> None:
    content = torch.load(folder / f"{STEM}.pt", weights_only=True)
    assert method.seen is not None
    assert same(content["volumes"], method.seen), "other volumes than the network saw"
    (row,) = torch.nonzero(content["volumes"].isnan().flatten(1).any(dim=1)).flatten().tolist()
    assert content["volume_cases"][row] == f"P{BAD:03d}"
    assert int(content["volumes"].isnan().sum()) == 1


def test_file_holds_the_one_broken_volume_among_those_of_its_batch(tmp_path: Path) -> None:
    error, method = broken_run(tmp_path)
    assert_holds_what_the_network_saw(tmp_path, method)
    content = torch.load(tmp_path / f"{STEM}.pt", weights_only=True)
    assert len(content["volumes"]) == len(content["cases"]) == len(content["aims"]) == IMAGES
    order = ToySource().epoch(0)
    batch = next(index for index, rows in enumerate(order) if BAD in rows)
    assert (content["epoch"], content["batch"], content["split"]) == (1, batch + 1, "train")
    assert content["cases"] == [f"P{row:03d}" for row in order[batch]]
    text = "\n".join(error.problems)
    assert f"Voxels that are not finite came in with: P{BAD:03d}." in text
    load = text.split("load it with ")[1].split(".\n")[0]
    assert same(eval(load)["volumes"], content["volumes"]), "the line of the message loads the file"


@pytest.mark.parametrize("broken", ["another batch", "not augmented"])
def test_another_batch_than_the_network_saw_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """The twin: what is saved is not what broke."""

    def wrong(error: NotFinite, source: Any, folder: Path) -> list[str]:
        if broken == "another batch":
            error.batch -= 1
        else:
            batches = source.batches
            source.batches = lambda plans, epoch, *, training: batches(plans, epoch, training=False)
        return save_broken_batch(error, source, folder)

    monkeypatch.setattr(loop, "save_broken_batch", wrong)
    _, method = broken_run(tmp_path)
    with pytest.raises(AssertionError):
        assert_holds_what_the_network_saw(tmp_path, method)


def test_batches_that_are_read_late_are_still_the_right_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU, where the numbers are read every so many steps: the first broken step's batch is saved."""
    _, at_once = broken_run(tmp_path / "at once", checkpoint_steps=None)
    monkeypatch.setattr(loop, "read_every", lambda device: 1000)
    _, late = broken_run(tmp_path / "late", checkpoint_steps=None)
    assert late.seen is not None
    assert at_once.seen is not None
    assert not same(late.seen, at_once.seen), "the run went on for some steps"
    assert_holds_what_the_network_saw(tmp_path / "late", at_once)


def test_numbers_that_break_inside_of_the_network_are_told_apart(tmp_path: Path) -> None:
    class Explodes(Sees):
        def steps(self, batch: ToyBatch) -> Iterator[Any]:
            for step in super().steps(batch):
                yield type(step)(step.optimizer, step.loss * math.inf)

    with pytest.raises(RunFailed, match="All voxels were finite when they came in"):
        run(tmp_path, method=Explodes())
    assert torch.load(tmp_path / f"{STEM}.pt", weights_only=True)["volumes"].isfinite().all()


def test_a_validation_batch_is_saved_as_it_is_validated(tmp_path: Path) -> None:
    source = ToySource()
    source.images[5, 0, 0, 0] = math.inf
    epoch = source.epoch
    source.epoch = lambda number: [rows for rows in epoch(number) if 5 not in rows]
    error, _ = broken_run(tmp_path, source=source)
    assert error.problems[0].startswith("A validation loss of epoch 1 is")
    content = torch.load(tmp_path / f"{STEM}.pt", weights_only=True)
    assert (content["split"], content["batch"], content["volume_cases"]) == ("val", 2, ["P004", "P005"])
    assert same(content["volumes"], source.images[4:6])


def test_a_full_disk_does_not_hide_what_happened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(saved_batch.torch, "save", full)
    error, _ = broken_run(tmp_path, checkpoint_steps=None)
    text = "\n".join(error.problems)
    assert "is nan, which is not finite" in text
    assert f"came in with: P{BAD:03d}" in text
    assert "The disk is full" in text
    assert not (tmp_path / f"{STEM}.pt").exists()


def test_only_tensors_and_plain_types_are_saved() -> None:
    whole = torch.zeros(100, 3)
    kept = saved_batch._plain({"part": whole[:2], "name": "x", "odd": object(), "words": ["a"], "mixed": [object()]})
    assert set(kept) == {"part", "name", "words"}
    assert kept["part"].untyped_storage().nbytes() == 2 * 3 * 4, "not the storage that the part lies in"
