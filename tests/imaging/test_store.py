"""The volume store: what was prepared is read back, and what is unfinished, damaged or foreign is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from imaging_phantoms import noise, random_affine, save

from medcl.imaging.prepare import prepare
from medcl.imaging.recipe import Recipe
from medcl.imaging.source import Source
from medcl.imaging.store import FINGERPRINT, JOURNAL, MANIFEST, RECIPE, VolumeStore
from medcl.imaging.store_writer import StoreWriter
from medcl.imaging.stored_volume import StoredVolume
from medcl.imaging.worker import Job, work
from medcl.study.errors import BadInput

KITCHEN = Recipe(size=(5, 6, 7), roi="mask", margin=2.0)


def jobs(folder: Path, count: int, recipe: Recipe = KITCHEN) -> list[Job]:
    made = []
    for number in range(count):
        affine = random_affine(number)
        mask = np.zeros((8, 9, 10), np.uint16)
        mask[2:6, 3:7, 3:8] = 1 + 300 * (number == 1)
        names = {"case": f"P{number}_D15", "patient": f"P{number}", "exam": "D15", "sequence": ""}
        image = noise(folder / f"{number}.nii.gz", (8, 9, 10), seed=number, affine=affine)
        source = Source(image, save(folder / f"{number}-mask.nii.gz", mask, affine))
        made.append(Job(names | {"modality": "mr", "site": "A, B"}, source, recipe, folder / "store"))
    return made


def fill(folder: Path, count: int = 3) -> VolumeStore:
    writer = StoreWriter.begin(folder / "store", KITCHEN)
    entries = []
    for job in jobs(folder, count):
        outcome = work(job)
        assert outcome.entry is not None, outcome.problems
        for unsettled in outcome.unsettled:
            unsettled.settle()
        writer.add(outcome.entry)
        entries.append(outcome.entry)
    writer.finish(entries)
    return VolumeStore.open(folder / "store")


def test_what_was_prepared_is_read_back(tmp_path: Path) -> None:
    store = fill(tmp_path)
    assert [entry.case for entry in store.entries] == ["P0_D15", "P1_D15", "P2_D15"]
    assert store.recipe == KITCHEN
    for number, entry in enumerate(store.entries):
        image, mask = tmp_path / f"{number}.nii.gz", tmp_path / f"{number}-mask.nii.gz"
        made = prepare(image, mask, KITCHEN)
        np.testing.assert_array_equal(store.read(entry), made.volume.astype(np.float32))
        np.testing.assert_array_equal(store.labels(entry), made.labels)
        np.testing.assert_array_equal(entry.matrix, made.affine)
        assert (entry.shape, entry.content, entry.site) == ((5, 6, 7), made.content, "A, B")
        assert entry.spacing == pytest.approx(np.linalg.norm(made.affine[:3, :3], axis=0)[::-1])
    assert [store.labels(entry).dtype for entry in store.entries] == [np.uint8, np.uint16, np.uint8]  # type: ignore[union-attr]


def test_files_are_float16_whole_and_nothing_else_lies_there(tmp_path: Path) -> None:
    store = fill(tmp_path)
    assert sorted(str(f.relative_to(store.path)) for f in store.path.rglob("*") if f.is_file()) == sorted(
        [MANIFEST, RECIPE, FINGERPRINT] + [f"{kind}/P{n}_D15.npy" for kind in ("volumes", "labels") for n in range(3)]
    )
    assert np.load(store.path / store.entries[0].file).dtype == np.float16
    found = json.loads((store.path / FINGERPRINT).read_text())
    assert (found["images"], found["patients"], found["dataset"]) == (3, 3, store.fingerprint())


def test_reading_fills_the_given_buffer(tmp_path: Path) -> None:
    store = fill(tmp_path, 2)
    batch = np.full((2, 5, 6, 7), -1, np.float32)
    for place, entry in zip(batch, store.entries, strict=True):
        assert store.read(entry, out=place) is place
        np.testing.assert_array_equal(place, store.read(entry))
    for wrong in (np.empty((5, 6, 8), np.float32), np.empty((5, 6, 7)), np.empty((7, 6, 5), np.float32).T):
        with pytest.raises(BadInput, match="the buffer to fill"):
            store.read(store.entries[0], out=wrong)


def test_only_some_cases(tmp_path: Path) -> None:
    store = fill(tmp_path)
    some = store.only({"P2_D15", "P0_D15", "unknown"})
    assert [entry.case for entry in some.entries] == ["P0_D15", "P2_D15"]
    assert some.fingerprint() != store.fingerprint()


def test_the_fingerprint_follows_content_geometry_labels_and_recipe(tmp_path: Path) -> None:
    store = fill(tmp_path)
    first = store.entries[0]
    moved = (first.affine[0], *first.affine[1:3], first.affine[3] + 1, *first.affine[4:])
    changes = [
        replace(first, content="other"),
        replace(first, label_content="other"),
        replace(first, affine=moved),
        replace(first, case="other"),
    ]
    stores = [replace(store, entries=[changed, *store.entries[1:]]) for changed in changes]
    stores.append(replace(store, recipe=Recipe()))
    assert len({each.fingerprint() for each in [store, *stores]}) == len(stores) + 1
    assert replace(store, entries=store.entries[::-1]).fingerprint() == store.fingerprint()


def test_a_manifest_line_is_read_back_exactly(tmp_path: Path) -> None:
    entry = fill(tmp_path).entries[1]
    assert StoredVolume.from_row(entry.to_row()) == entry
    renamed = entry.renamed({"case": "P9", "patient": "P9"})
    assert (renamed.case, renamed.exam, renamed.content) == ("P9", "", entry.content)


def test_stores_that_cannot_be_read_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no preprocessed volumes; `medcl preprocess --name none`"):
        VolumeStore.open(tmp_path / "none")
    store = fill(tmp_path)
    (store.path / JOURNAL).write_text("")
    with pytest.raises(BadInput, match="still running or was stopped"):
        VolumeStore.open(store.path)
    (store.path / JOURNAL).unlink()
    manifest = (store.path / MANIFEST).read_text()
    (store.path / MANIFEST).write_text(manifest.replace("5 6 7", "5 6"))
    with pytest.raises(BadInput, match=r"line 2 is no entry.*expected three numbers"):
        VolumeStore.open(store.path)
    (store.path / MANIFEST).write_text(manifest[:-40])
    with pytest.raises(BadInput, match="line 4 is no entry"):
        VolumeStore.open(store.path)
    (store.path / MANIFEST).unlink()
    with pytest.raises(BadInput, match="no finished volume store"):
        VolumeStore.open(store.path)


@pytest.mark.parametrize(("number", "message"), [(99, "update medcl"), (0, "--overwrite"), (None, "--overwrite")])
def test_recipes_of_another_format_are_refused(tmp_path: Path, number: int | None, message: str) -> None:
    store = fill(tmp_path, 1)
    (store.path / RECIPE).write_text(json.dumps(KITCHEN.to_json() | {"format": number}))
    with pytest.raises(BadInput, match=message):
        VolumeStore.open(store.path)


def test_damaged_volumes_are_refused_when_read(tmp_path: Path) -> None:
    store = fill(tmp_path)
    files = [store.path / entry.file for entry in store.entries]
    files[0].unlink()
    files[1].write_bytes(files[1].read_bytes()[:-10])
    np.save(files[2], np.zeros((1, 2, 3), np.float16))
    for entry in store.entries:
        with pytest.raises(BadInput, match=rf"{entry.case}\.npy: is missing or damaged.*prepares it again"):
            store.read(entry)
    np.save(files[2], np.zeros((5, 6, 7), np.float32))
    with pytest.raises(BadInput, match="float32 instead of float16"):
        store.read(store.entries[2])
