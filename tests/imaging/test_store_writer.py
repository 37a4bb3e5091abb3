"""Writing the store: interrupted runs continue, changed input is prepared again, a full disk leaves nothing torn."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from imaging_phantoms import noise

from medcl.imaging import store_writer
from medcl.imaging.recipe import Recipe
from medcl.imaging.source import Source
from medcl.imaging.store import JOURNAL, MANIFEST, RECIPE, VolumeStore
from medcl.imaging.store_writer import StoreWriter, is_intact
from medcl.imaging.stored_volume import StoredVolume
from medcl.imaging.worker import Job, Outcome, work
from medcl.study.errors import BadInput, RunFailed
from medcl.study.files import TEMPORARY_PREFIX

RECIPE_OF_NOW = Recipe(size=(4, 5, 6))
MARK = "a1b2"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


def job(store: Path, number: int, recipe: Recipe = RECIPE_OF_NOW, known: StoredVolume | None = None) -> Job:
    image = store.parent / f"{number}.nii"
    if not image.exists():
        noise(image, seed=number)
    return Job({"case": f"P{number}", "patient": f"P{number}"}, Source(image), recipe, store, known, MARK)


def done(store: Path, number: int, **kwargs: object) -> StoredVolume:
    outcome = settled(work(job(store, number, **kwargs)))  # type: ignore[arg-type]
    assert outcome.entry is not None
    return outcome.entry


def again(store: Path, number: int, recipe: Recipe = RECIPE_OF_NOW) -> Outcome:
    known = StoreWriter.begin(store, recipe).known.get(f"P{number}")
    return settled(work(job(store, number, recipe, known)))


def settled(outcome: Outcome) -> Outcome:
    for unsettled in outcome.unsettled:
        unsettled.settle()
    return outcome


def test_an_interrupted_run_is_continued(store: Path) -> None:
    writer = StoreWriter.begin(store, RECIPE_OF_NOW)
    for number in range(2):
        writer.add(done(store, number))
    with (store / JOURNAL).open("a") as journal:
        journal.write('{"case": "P2", "torn')
    assert set(StoreWriter.begin(store, RECIPE_OF_NOW).known) == {"P0", "P1"}
    assert [again(store, number).status for number in range(3)] == ["kept", "kept", "prepared"]


def test_a_line_after_a_torn_one_is_not_lost(store: Path) -> None:
    writer = StoreWriter.begin(store, RECIPE_OF_NOW)
    writer.add(done(store, 0))
    with (store / JOURNAL).open("a") as journal:
        journal.write('{"case": "P9", "torn')
    StoreWriter.begin(store, RECIPE_OF_NOW).add(done(store, 1))
    assert set(StoreWriter.begin(store, RECIPE_OF_NOW).known) == {"P0", "P1"}


def test_what_has_changed_is_prepared_again(store: Path) -> None:
    writer = StoreWriter.begin(store, RECIPE_OF_NOW)
    writer.finish([done(store, number) for number in range(4)])
    noise(store.parent / "1.nii", seed=99)
    (store / "volumes/P2.npy").write_bytes((store / "volumes/P2.npy").read_bytes()[:-1])
    (store / "volumes/P3.npy").unlink()
    assert [again(store, number).status for number in range(4)] == ["kept", "prepared", "prepared", "prepared"]
    entry = again(store, 0).entry
    assert entry is not None
    assert is_intact(store, entry)


def test_finishing_writes_the_manifest_and_removes_the_rest(store: Path) -> None:
    writer = StoreWriter.begin(store, RECIPE_OF_NOW)
    entries = [done(store, number) for number in range(3)]
    assert writer.finish(entries) == []
    removed = StoreWriter.begin(store, RECIPE_OF_NOW).finish(entries[1:])
    assert removed == ["volumes/P0.npy"]
    assert [entry.case for entry in VolumeStore.open(store).entries] == ["P1", "P2"]
    assert not (store / JOURNAL).exists()


def test_a_finished_store_is_unreadable_while_it_is_written_to(store: Path) -> None:
    StoreWriter.begin(store, RECIPE_OF_NOW).finish([done(store, 0)])
    writer = StoreWriter.begin(store, RECIPE_OF_NOW)
    with pytest.raises(BadInput, match="still running or was stopped"):
        VolumeStore.open(store)
    writer.abandon()
    assert len(VolumeStore.open(store).entries) == 1, "nothing was prepared, so nothing has changed"
    writer = StoreWriter.begin(store, RECIPE_OF_NOW)
    writer.add(done(store, 1))
    writer.abandon()
    with pytest.raises(BadInput, match="still running or was stopped"):
        VolumeStore.open(store)


def test_other_options_are_refused_with_the_difference(store: Path) -> None:
    StoreWriter.begin(store, RECIPE_OF_NOW)
    with pytest.raises(BadInput, match=r"\(size: 4 5 6 there, 9 9 9 now\).*--overwrite.*--name"):
        StoreWriter.begin(store, Recipe(size=(9, 9, 9)))


def test_overwriting_starts_anew(store: Path) -> None:
    StoreWriter.begin(store, RECIPE_OF_NOW).finish([done(store, 0), done(store, 1)])
    other = Recipe(size=(2, 2, 2))
    writer = StoreWriter.begin(store, other, overwrite=True)
    assert writer.known == {}
    with pytest.raises(BadInput, match="still running or was stopped"):
        VolumeStore.open(store)
    assert writer.finish([done(store, 0, recipe=other)]) == ["volumes/P1.npy"]
    assert VolumeStore.open(store).recipe == other


def test_other_folders_are_left_alone(store: Path) -> None:
    store.mkdir()
    (store / "thesis.docx").write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(BadInput, match=r"no volume store \(it holds thesis\.docx\)"):
            StoreWriter.begin(store, RECIPE_OF_NOW, overwrite)
    (store.parent / "file").write_text("")
    with pytest.raises(BadInput, match="is a file"):
        StoreWriter.begin(store.parent / "file", RECIPE_OF_NOW)
    assert (store / "thesis.docx").read_text() == "mine"


def test_a_torn_recipe_is_refused(store: Path) -> None:
    StoreWriter.begin(store, RECIPE_OF_NOW)
    (store / RECIPE).write_text('{"format": 1, "si')
    with pytest.raises(BadInput, match="no whole JSON"):
        StoreWriter.begin(store, RECIPE_OF_NOW)


def test_old_leftovers_are_removed_and_fresh_ones_stay(store: Path) -> None:
    StoreWriter.begin(store, RECIPE_OF_NOW)
    done(store, 0)
    old, fresh = (store / "volumes" / f"{TEMPORARY_PREFIX}{name}-P1.npy" for name in ("old", "fresh"))
    old.write_bytes(b"x")
    fresh.write_bytes(b"x")
    os.utime(old, (0, 0))
    writer = StoreWriter.begin(store, RECIPE_OF_NOW)
    writer.finish([done(store, 0)])
    assert not old.exists()
    assert fresh.exists(), "it may belong to another process that is writing now"


def test_a_volume_is_there_when_it_is_settled_and_swept_when_it_never_is(store: Path) -> None:
    writer = StoreWriter.begin(store, RECIPE_OF_NOW)
    kept, left = (replace(job(store, number), mark=writer.mark) for number in range(2))
    outcome = work(kept)
    work(left)
    (store / "volumes" / f"{TEMPORARY_PREFIX}other-P2.npy").write_bytes(b"of another run")
    assert not (store / "volumes/P0.npy").exists()
    settled(outcome)
    writer.sweep()
    assert sorted(file.name for file in (store / "volumes").iterdir()) == [f"{TEMPORARY_PREFIX}other-P2.npy", "P0.npy"]
    assert outcome.entry is not None
    assert is_intact(store, outcome.entry)


def test_each_run_has_its_own_mark(store: Path) -> None:
    assert StoreWriter.begin(store, RECIPE_OF_NOW).mark != StoreWriter.begin(store, RECIPE_OF_NOW).mark


def assert_nothing_is_torn(store: Path) -> None:
    """Every volume that is there under its name can be read in full, and nothing half-written lies about."""
    for file in store.rglob("*"):
        assert not file.name.startswith(TEMPORARY_PREFIX), file
        if file.suffix == ".npy":
            np.load(file)


@pytest.mark.parametrize("where", ["save", "replace"])
def test_a_full_disk_fails_and_leaves_nothing_torn(store: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    StoreWriter.begin(store, RECIPE_OF_NOW).add(done(store, 0))

    def full(path: Path, *rest: object) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        if where == "save":
            patch.setattr(store_writer.np, "save", full)
        else:
            patch.setattr(os, "replace", full)
        with pytest.raises(RunFailed, match="disk is full"):
            done(store, 1)
    assert_nothing_is_torn(store)
    assert [again(store, number).status for number in range(2)] == ["kept", "prepared"]


def test_the_check_for_torn_files_sees_one(store: Path) -> None:
    StoreWriter.begin(store, RECIPE_OF_NOW).add(done(store, 0))
    (store / "volumes" / f"{TEMPORARY_PREFIX}1-P1.npy").write_bytes(b"half")
    with pytest.raises(AssertionError):
        assert_nothing_is_torn(store)


def test_a_full_disk_under_the_journal_or_the_manifest(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = StoreWriter.begin(store, RECIPE_OF_NOW)
    entry = done(store, 0)

    def full(*args: object, **kwargs: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        with pytest.raises(RunFailed, match="No space left"):
            writer.add(entry)
    writer.add(entry)
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(RunFailed, match="disk is full"):
            writer.finish([entry])
    assert not (store / MANIFEST).exists()
    assert json.loads((store / JOURNAL).read_text())["case"] == "P0"
    writer.finish([entry])
    assert len(VolumeStore.open(store).entries) == 1
