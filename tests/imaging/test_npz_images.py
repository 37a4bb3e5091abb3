"""An npz as a store: entries, reading, hashes, and what cannot be learnt from."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medcl.imaging.image_list import changes_since, read_image_list, write_image_list
from medcl.imaging.npz_images import NpzImages, open_npz
from medcl.imaging.store import image_line
from medcl.study.copies import leave_out_copies
from medcl.study.errors import BadInput
from medcl.study.leakage import check_images

PARTS = {"train": 6, "val": 3, "test": 2}


def arrays(size: tuple[int, ...] = (5, 4), seed: int = 0) -> dict[str, Any]:
    draw = np.random.default_rng(seed)
    found: dict[str, Any] = {
        f"{part}_images": draw.integers(0, 256, (count, *size), np.uint8) for part, count in PARTS.items()
    }
    return found | {f"{part}_labels": draw.integers(0, 2, (count, 1)) for part, count in PARTS.items()}


def opened(folder: Path, name: str = "images.npz", **content: Any) -> NpzImages:
    np.savez(folder / name, **content)
    return open_npz(folder / name)


def test_entries_are_those_of_a_store(tmp_path: Path) -> None:
    images = opened(tmp_path, **arrays())
    expected = [f"{part}-{number:05d}" for part, count in PARTS.items() for number in range(count)]
    assert [entry.case for entry in images.entries] == expected
    assert [entry.patient for entry in images.entries] == expected
    assert images.sides == {case: case.split("-")[0] for case in expected}
    assert images.path == tmp_path / "images.npz"
    assert not images.sliced
    entry = images.entries[0]
    assert (entry.exam, entry.sequence, entry.modality, entry.site) == ("", "", "", "")
    assert (entry.label_file, entry.label_content) == ("", "")
    assert (entry.shape, entry.spacing) == ((1, 5, 4), (1.0, 1.0, 1.0))
    assert np.array(entry.affine).reshape(4, 4).tolist() == np.eye(4).tolist()
    assert image_line(entry).split("\t")[:2] == [entry.case, entry.content]  # type: ignore[arg-type]
    assert pickle.loads(pickle.dumps(entry)) == entry
    assert images.labels(entry) is None


@pytest.mark.parametrize("size", [(5, 4), (5, 4, 1), (3, 5, 7)])
def test_what_is_read_is_what_was_saved(tmp_path: Path, size: tuple[int, ...]) -> None:
    content = arrays(size)
    images = opened(tmp_path, **content)
    for entry in images.entries:
        expected = content[f"{entry.part}_images"][entry.number].astype(np.float64) / 255
        read = images.read(entry)
        assert read.shape == entry.shape
        assert read.dtype == np.float32
        np.testing.assert_allclose(read.ravel(), expected.ravel(), rtol=1e-7)
        out = np.full(entry.shape, np.nan, np.float32)
        assert images.read(entry, out) is out
        np.testing.assert_array_equal(out, read)
        for number in range(len(read)):
            np.testing.assert_array_equal(images.read(entry, slice=number), read[number : number + 1])


@pytest.mark.parametrize(
    ("dtype", "largest"), [("u1", 255), ("u2", 65535), (">u2", 65535), ("f2", 1), ("f4", 1), ("f8", 1), ("?", 1)]
)
def test_every_type_is_read_on_the_scale_from_0_to_1(tmp_path: Path, dtype: str, largest: float) -> None:
    levels = np.random.default_rng(0).random((3, 5, 4))
    levels[:, 0, 0], levels[:, 0, 1] = 0, 1
    stored = (levels > 0.5) if dtype == "?" else (levels * largest).astype(dtype)
    images = opened(tmp_path, train_images=stored)
    read = np.stack([images.read(entry)[0] for entry in images.entries])
    np.testing.assert_allclose(read, stored.astype(np.float64) / largest, rtol=1e-6)
    assert (read.min(), read.max()) == (0, 1)


def test_arrays_stay_as_they_are_stored(tmp_path: Path) -> None:
    images = opened(tmp_path, **arrays())
    assert images.arrays["train"].dtype == np.uint8
    images.read(images.entries[0])[...] = 9  # a copy
    np.testing.assert_array_equal(images.arrays["train"][0, 0], arrays()["train_images"][0])


def test_buffers_and_slices_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    images = opened(tmp_path, **arrays())
    entry = images.entries[0]
    for buffer in (
        np.empty((1, 4, 5), np.float32),
        np.empty((1, 5, 4)),
        np.empty((1, 4, 5), np.float32).transpose(0, 2, 1),
    ):
        with pytest.raises(BadInput, match=r"train-00000 is \(1, 5, 4\)"):
            images.read(entry, buffer)  # type: ignore[arg-type]
    for number in (1, -1):
        with pytest.raises(IndexError, match="slices 0 to 0"):
            images.read(entry, slice=number)


def test_cases_sort_by_number_however_many_there_are(tmp_path: Path) -> None:
    many = np.arange(100_001 * 4, dtype=np.uint32).view(np.uint8)[: 100_001 * 4].reshape(-1, 2, 2)
    images = opened(tmp_path, train_images=many)
    cases = [entry.case for entry in images.entries]
    assert cases[0] == "train-000000"
    assert cases == sorted(cases)


def test_only_some_images(tmp_path: Path) -> None:
    images = opened(tmp_path, **arrays())
    some = images.only({"train-00001", "test-00000"})
    assert [entry.case for entry in some.entries] == ["train-00001", "test-00000"]
    np.testing.assert_array_equal(some.read(some.entries[1]), images.read(images.entries[9]))
    assert some.fingerprint() != images.fingerprint()
    assert len(images.entries) == 11


def test_the_fingerprint_tells_images_and_takes_no_notice_of_labels(tmp_path: Path) -> None:
    content = arrays()
    images = opened(tmp_path, **content)
    shuffled = {**content, "train_labels": 1 - content["train_labels"][::-1]}
    relabelled = opened(tmp_path, "other.npz", **shuffled)
    assert relabelled.fingerprint() == images.fingerprint()
    assert relabelled.entries == images.entries
    assert relabelled.label_numbers["train"].tolist() != images.label_numbers["train"].tolist()
    for one, other in zip(images.entries, relabelled.entries, strict=True):
        np.testing.assert_array_equal(images.read(one), relabelled.read(other))
    changed = {**content, "val_images": content["val_images"].copy()}
    changed["val_images"][1, 2, 3] ^= 1
    assert opened(tmp_path, "changed.npz", **changed).fingerprint() != images.fingerprint()
    swapped = {**content, "val_images": content["val_images"][::-1]}
    assert opened(tmp_path, "swapped.npz", **swapped).fingerprint() != images.fingerprint()


def test_the_same_bytes_as_another_type_are_other_images(tmp_path: Path) -> None:
    stored = np.random.default_rng(0).integers(0, 2, (4, 6, 6), np.uint8)
    found = [opened(tmp_path, train_images=each) for each in (stored, stored.astype(bool), stored.reshape(4, 9, 4))]
    assert len({images.fingerprint() for images in found}) == 3


def test_the_list_of_images_of_a_run_knows_them_again(tmp_path: Path) -> None:
    content = arrays()
    images = opened(tmp_path, **content)
    write_image_list(tmp_path, images.entries)  # type: ignore[arg-type]
    content["train_images"][4] = 255 - content["train_images"][4]
    changed = opened(tmp_path, **content).only({entry.case for entry in images.entries[1:]})
    found = changes_since(read_image_list(tmp_path), changed.entries)  # type: ignore[arg-type]
    assert (found.added, found.removed, found.changed) == ([], ["train-00000"], ["train-00004"])


@pytest.mark.parametrize("val", ["u1", "f4"])
def test_copies_have_one_content_whatever_their_type_and_can_be_left_out(tmp_path: Path, val: str) -> None:
    content = arrays()
    content["val_images"][2] = content["train_images"][3]
    content["train_images"][5] = content["test_images"][0]
    if val == "f4":
        content["val_images"] = content["val_images"].astype(np.float32) / 255
    images = opened(tmp_path, **content)
    assert len({entry.content for entry in images.entries}) == 9
    with pytest.raises(BadInput, match="same image content"):
        check_images(images.entries, images.sides)
    out, notes = leave_out_copies(images.entries, images.sides)
    assert out == {"train-00003", "train-00005"}
    assert len(notes) == 2
    kept = images.only(images.sides.keys() - out)
    check_images(kept.entries, kept.sides)
    counts = {part: sum(side == part for side in kept.sides.values()) for part in PARTS}
    assert counts == {"train": 4, "val": 3, "test": 2}


def test_a_turned_image_is_no_copy(tmp_path: Path) -> None:
    train = arrays((4, 4))["train_images"]
    images = opened(tmp_path, train_images=train, test_images=train.transpose(0, 2, 1))
    assert leave_out_copies(images.entries, images.sides) == (set(), [])


@pytest.mark.parametrize(
    ("train", "words"),
    [
        (arrays()["train_images"][:1], "holds a single image"),
        (np.zeros((4, 5, 4), np.uint8), "all 4 images are constant"),
        (np.arange(4, dtype=np.uint8).repeat(20).reshape(4, 5, 4), "all 4 images are constant"),
        (np.repeat(arrays()["train_images"][:1], 4, axis=0), "all 4 images are the same one"),
    ],
)
def test_images_that_teach_nothing_are_refused(tmp_path: Path, train: Any, words: str) -> None:
    with pytest.raises(BadInput, match=rf"images\.npz: train_images.*{words}"):
        opened(tmp_path, train_images=train, val_images=arrays()["val_images"])


def test_some_constant_images_are_noted(tmp_path: Path) -> None:
    train = arrays()["train_images"]
    train[[1, 4]] = 7
    notes = opened(tmp_path, train_images=train).notes
    assert "2 training images of one value in all voxels, such as train-00001, train-00004" in notes
    assert not any("one value" in note for note in opened(tmp_path, **arrays()).notes)
