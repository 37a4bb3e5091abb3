"""What stands in an npz is refused where it cannot be used, in one sentence that names file and key."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medcl.imaging.npz_arrays import full_scale, read_npz
from medcl.study.errors import BadInput

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 5, 4), np.uint8)
FEW = IMAGES[:2]


def saved(folder: Path, **arrays: Any) -> Path:
    file = folder / "images.npz"
    np.savez(file, **arrays)
    return file


def objects() -> np.ndarray[Any, Any]:
    uneven = np.empty(2, object)
    uneven[:] = [np.zeros((5, 4)), np.zeros((6, 4))]
    return uneven


@pytest.mark.parametrize(
    ("shape", "becomes"),
    [
        ((6, 5, 4), (6, 1, 5, 4)),
        ((6, 5, 4, 1), (6, 1, 5, 4)),
        ((6, 5, 4, 7), (6, 5, 4, 7)),
        ((6, 1, 4, 5), (6, 1, 4, 5)),
        ((6, 5, 3), (6, 1, 5, 3)),
    ],
)
def test_planes_and_volumes(tmp_path: Path, shape: tuple[int, ...], becomes: tuple[int, ...]) -> None:
    array = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    found = read_npz(saved(tmp_path, train_images=array)).images["train"]
    assert found.shape == becomes
    assert found.flags.c_contiguous
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found.ravel(), array.ravel())


def test_arrays_in_fortran_order_keep_their_images(tmp_path: Path) -> None:
    found = read_npz(saved(tmp_path, train_images=np.asfortranarray(IMAGES))).images["train"]
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found[:, 0], IMAGES)


@pytest.mark.parametrize("shape", [(6,), (6, 1)])
@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32, ">i2"])
def test_labels_of_every_form(tmp_path: Path, shape: tuple[int, ...], dtype: Any) -> None:
    labels = np.array([0, 2, 1, 0, 2, 2], dtype).reshape(shape)
    found = read_npz(saved(tmp_path, train_images=IMAGES, train_labels=labels)).labels["train"]
    assert found.tolist() == [0, 2, 1, 0, 2, 2]
    assert found.dtype == np.int64


CASES: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "keys": ({"x_train": IMAGES, "y_train": FEW}, ("has no train_images, only x_train, y_train",)),
    "no keys": ({}, ("has no train_images, only nothing at all",)),
    "objects": ({"train_images": objects()}, ("train_images holds Python objects", "images of unequal size")),
    "label objects": (
        {"train_images": FEW, "train_labels": np.array(["a", None], object)},
        ("train_labels holds Python objects",),
    ),
    "colours": ({"train_images": np.zeros((6, 5, 4, 3), np.uint8)}, ("train_images are colour images (6, 5, 4, 3)",)),
    "alpha": ({"train_images": np.zeros((6, 5, 5, 4), np.uint8)}, ("train_images are colour images",)),
    "colour volumes": ({"train_images": np.zeros((2, 3, 3, 3, 3), np.uint8)}, ("train_images are colour images",)),
    "one image": ({"train_images": IMAGES[0]}, ("train_images is (5, 4), expected (images, height, width)",)),
    "five axes": ({"train_images": np.zeros((2, 2, 2, 2, 2), np.uint8)}, ("train_images is (2, 2, 2, 2, 2)",)),
    "empty": ({"train_images": IMAGES[:0]}, ("train_images is empty",)),
    "no pixel": ({"train_images": IMAGES[:, :0]}, ("train_images is (6, 0, 4), images without a pixel",)),
    "sizes": (
        {"train_images": IMAGES, "test_images": FEW[:, :4]},
        ("differ in size", "train_images 1 x 5 x 4, test_images 1 x 4 x 4"),
    ),
    "nan": (
        {"train_images": np.where(np.arange(6)[:, None, None] == 4, np.nan, IMAGES / 255)},
        ("train_images: 1 image with voxels that are NaN or infinite, the first is number 4",),
    ),
    "infinite": ({"train_images": np.where(IMAGES > 200, np.inf, 0.5)}, ("NaN or infinite",)),
    "below": ({"train_images": IMAGES / 255 - 0.5}, ("train_images are floats from -0.5 to", "expected 0 to 1")),
    "above": (
        {"train_images": IMAGES / 255, "val_images": FEW.astype(np.float32)},
        ("val_images are floats from", "expected 0 to 1"),
    ),
    "signed": ({"train_images": IMAGES.astype(np.int64)}, ("train_images are int64 numbers, whose range",)),
    "complex": ({"train_images": IMAGES.astype(complex)}, ("train_images are complex128 numbers",)),
    "words": ({"train_images": FEW.astype(str)}, ("train_images are <U3 numbers",)),
    "fewer labels": (
        {"train_images": IMAGES, "train_labels": np.zeros(5, int)},
        ("train_labels is (5)", "there are 6 images"),
    ),
    "more val labels": (
        {"train_images": IMAGES, "val_images": FEW, "val_labels": np.zeros((3, 1), int)},
        ("val_labels is (3, 1)", "there are 2 images"),
    ),
    "several labels": ({"train_images": IMAGES, "train_labels": np.zeros((6, 14), int)}, ("14 labels an image",)),
    "broken labels": ({"train_images": FEW, "train_labels": np.array([0.5, 1])}, ("train_labels holds other than",)),
    "nan labels": ({"train_images": FEW, "train_labels": np.array([np.nan, 1])}, ("train_labels holds other than",)),
    "negative labels": ({"train_images": FEW, "train_labels": np.array([-1, 1])}, ("train_labels holds other than",)),
    "label words": ({"train_images": FEW, "train_labels": np.array(["a", "b"])}, ("train_labels holds other than",)),
}


@pytest.mark.parametrize("name", CASES)
def test_refused(tmp_path: Path, name: str) -> None:
    arrays, words = CASES[name]
    file = saved(tmp_path, **arrays)
    with pytest.raises(BadInput) as caught:
        read_npz(file)
    assert len(caught.value.problems) == 1
    assert all(word in str(caught.value) for word in (*words, str(file)))


def test_all_problems_come_together(tmp_path: Path) -> None:
    file = saved(tmp_path, train_images=IMAGES[:0], val_images=FEW, val_labels=np.zeros(5), test_images=FEW * 2.0)
    with pytest.raises(BadInput) as caught:
        read_npz(file)
    assert [problem.split(": ")[1].split()[0] for problem in caught.value.problems] == [
        "train_images",
        "test_images",
        "val_labels",
    ]


def test_files_that_are_no_npz(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"absent\.npz: no such file"):
        read_npz(tmp_path / "absent.npz")
    with pytest.raises(BadInput, match="cannot be read"):
        read_npz(tmp_path)
    single = tmp_path / "single.npy"
    np.save(single, IMAGES)
    with pytest.raises(BadInput, match="holds a single array"):
        read_npz(single)
    for content in (b"", b"some words", b"PK\x03\x04 and no more"):
        other = tmp_path / "other.npz"
        other.write_bytes(content)
        with pytest.raises(BadInput, match=r"other\.npz: is no \.npz file or a damaged one"):
            read_npz(other)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_damage_inside_an_array_is_noticed(tmp_path: Path, save: Any) -> None:
    file = tmp_path / "images.npz"
    save(file, train_images=np.random.default_rng(0).integers(0, 256, (50, 9, 9), np.uint8))
    content = bytearray(file.read_bytes())
    content[2000] ^= 255
    file.write_bytes(content)
    with pytest.raises(BadInput, match="train_images is damaged"):
        read_npz(file)


def test_a_member_that_is_no_array(tmp_path: Path) -> None:
    file = tmp_path / "archive.npz"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("train_images", b"words")
    with pytest.raises(BadInput, match="train_images is no array"):
        read_npz(file)


def test_the_notes_say_what_is_used(tmp_path: Path) -> None:
    file = saved(
        tmp_path,
        train_images=IMAGES,
        train_labels=np.zeros(6, int),
        val_images=IMAGES[:0],
        test_images=FEW,
        val_labels=np.zeros(0, int),
        weights=FEW,
    )
    found = read_npz(file)
    assert list(found.images) == ["train", "test"]
    assert found.notes == (
        "6 training, 2 test images of 5 x 4",
        "images without labels: test",
        "not used: val_images, val_labels, weights",
    )
    dark = read_npz(saved(tmp_path, train_images=(IMAGES // 8).astype(np.uint16)))
    assert "there are no labels: clusters cannot be compared with classes" in dark.notes
    assert any(note.startswith("the brightest voxel of all is 0.00047") for note in dark.notes)
    channels_first = read_npz(saved(tmp_path, train_images=np.stack([IMAGES.transpose(0, 2, 1)] * 3, axis=1)))
    assert any("volumes of 3 slices" in note for note in channels_first.notes)


def test_full_scale_is_the_types_largest() -> None:
    scales = {name: full_scale(np.dtype(name)) for name in ("u1", "<u2", ">u2", "f4", "f8", "?")}
    assert scales == {"u1": 255, "<u2": 65535, ">u2": 65535, "f4": 1, "f8": 1, "?": 1}
