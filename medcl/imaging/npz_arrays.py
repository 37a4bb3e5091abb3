"""The arrays of a MedMNIST-style npz, checked: images and class numbers of an official split.

The format is that of MedMNIST (Yang et al., Scientific Data 2023): `train_images`, `val_images`, `test_images` and
`train_labels`, `val_labels`, `test_labels` in one file of NumPy. Nothing in it is unpickled: a pickle may run any code.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from medcl.study.errors import BadInput
from medcl.study.plural import counted

PARTS = {"train": "training", "val": "validation", "test": "test"}
"""The parts of a split, and the words for them."""

COLOURS = (3, 4)
"""Lengths of a last axis that is one of colours (RGB, RGBA)."""

UNSIGNED_BYTES = (1, 2)
"""Integers of so many bytes are divided by their type's largest: intensities of others have no known range."""

DARK = 0.25
"""Where no voxel is brighter than this, the user is told."""

_KEYS_SHOWN = 12
_IMAGES_EXPECTED = "expected (images, height, width) or (images, depth, height, width)"

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class NpzArrays:
    """What an npz holds.

    Attributes:
        images: by part, (N, D, H, W) C-contiguous in the type that the file has; D is 1 for plane images.
        labels: by part, (N,) numbers of classes from 0; parts without labels are missing.
        notes: what is used and what is not, one sentence each.
    """

    images: dict[str, Array]
    labels: dict[str, NDArray[np.int64]]
    notes: tuple[str, ...]


def read_npz(file: Path) -> NpzArrays:
    """Read and check the arrays.

    Raises:
        BadInput: naming file and keys: no such file, no npz or a damaged one, no training images, arrays of another
            shape or type, intensities out of range, images of unequal size, labels that do not match.
    """
    arrays, others = _load(file)
    problems: list[str] = []
    images, labels = dict[str, Array](), dict[str, NDArray[np.int64]]()
    for part in PARTS:
        key = f"{part}_images"
        if key in arrays and (part == "train" or len(np.atleast_1d(arrays[key]))):
            try:
                images[part] = _images(f"{file}: {key}", arrays[key])
            except BadInput as error:
                problems += error.problems
    for part in images:
        key = f"{part}_labels"
        if key in arrays:
            try:
                labels[part] = _labels(f"{file}: {key}", arrays[key], len(images[part]))
            except BadInput as error:
                problems += error.problems
    if not problems:
        problems = _unequal_sizes(file, images)
    if problems:
        raise BadInput(problems)
    used = {f"{part}_images" for part in images} | {f"{part}_labels" for part in labels}
    unused = [*(key for key in arrays if key not in used), *others]
    return NpzArrays(images, labels, tuple(_notes(images, labels, unused)))


def full_scale(dtype: np.dtype[Any]) -> int:
    """Return what numbers of this type are divided by to lie in [0, 1]: 255 of uint8, 65,535 of uint16, else 1."""
    return int(np.iinfo(dtype).max) if dtype.kind == "u" else 1


def _load(file: Path) -> tuple[dict[str, Array], list[str]]:
    """The arrays under the known keys, and the other keys."""
    known = [f"{part}_{kind}" for part in PARTS for kind in ("images", "labels")]
    with _opened(file) as opened:
        names = list(opened.files)
        if "train_images" not in names:
            shown = ", ".join(names[:_KEYS_SHOWN]) + (", ..." if len(names) > _KEYS_SHOWN else "")
            raise BadInput(
                f"{file}: has no train_images, only {shown or 'nothing at all'}. Expected train_images and, where "
                "there are such, val_images, test_images, train_labels, val_labels, test_labels."
            )
        arrays = {key: _array(file, key, opened) for key in known if key in names}
    return arrays, [name for name in names if name not in known]


def _opened(file: Path) -> NpzFile:
    try:
        opened = np.load(file, allow_pickle=False)
    except FileNotFoundError:
        raise BadInput(f"{file}: no such file.") from None
    except (IsADirectoryError, PermissionError) as error:
        raise BadInput(f"{file}: cannot be read ({error.strerror}): give an .npz file.") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise BadInput(
            f"{file}: is no .npz file or a damaged one ({error}): copy it again, or save the arrays with "
            "numpy.savez_compressed."
        ) from None
    if not isinstance(opened, NpzFile):
        raise BadInput(
            f"{file}: holds a single array, expected an .npz file with train_images and more: save the arrays with "
            "numpy.savez_compressed."
        )
    return opened


def _array(file: Path, key: str, opened: NpzFile) -> Array:
    try:
        array: Any = opened[key]
    except (OSError, ValueError, EOFError, KeyError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        if "allow_pickle" not in str(error):
            raise BadInput(f"{file}: {key} is damaged ({error}): copy the file again from its source.") from None
        why = "images of unequal size are usually saved so: bring all to one size" if "images" in key else "texts too"
        raise BadInput(
            f"{file}: {key} holds Python objects, which are not read, since they could run any code ({why}); save it "
            "as one array of numbers."
        ) from None
    if not isinstance(array, np.ndarray):  # a member of the archive that is no array
        raise BadInput(f"{file}: {key} is no array: save it with numpy.savez_compressed.")
    return array


def _images(where: str, array: Array) -> Array:
    """The images as (N, D, H, W)."""
    shape = f"({', '.join(map(str, array.shape))})"
    if array.ndim in (4, 5) and array.shape[-1] in COLOURS:
        raise BadInput(
            f"{where} are colour images {shape}, expected one intensity a pixel: make them grey, as with "
            "images @ [0.299, 0.587, 0.114]."
        )
    if array.ndim not in (3, 4):
        raise BadInput(f"{where} is {shape}, {_IMAGES_EXPECTED}.")
    if not len(array):
        raise BadInput(f"{where} is empty: there is nothing to train on.")
    if 0 in array.shape:
        raise BadInput(f"{where} is {shape}, images without a pixel; {_IMAGES_EXPECTED}.")
    if array.ndim == 4 and array.shape[-1] == 1:
        array = array[..., 0]
    _refuse_range(where, array)
    array = array[:, None] if array.ndim == 3 else array
    return np.ascontiguousarray(array)


def _refuse_range(where: str, array: Array) -> None:
    dtype = array.dtype
    if not (dtype.kind in "fb" or (dtype.kind == "u" and dtype.itemsize in UNSIGNED_BYTES)):
        raise BadInput(
            f"{where} are {dtype} numbers, whose range is not known: save them as uint8 (0 to 255), uint16 (0 to "
            "65535) or as floats from 0 to 1."
        )
    if dtype.kind != "f":
        return
    low, high = float(array.min()), float(array.max())  # NaN where any voxel is
    if not np.isfinite([low, high]).all():
        wrong = [number for number, image in enumerate(array) if not np.isfinite(image).all()]
        raise BadInput(
            f"{where}: {counted(len(wrong), 'image')} with voxels that are NaN or infinite, the first is number "
            f"{wrong[0]} (from 0): leave them out or repair them."
        )
    if low < 0 or high > 1:
        raise BadInput(
            f"{where} are floats from {low:g} to {high:g}, expected 0 to 1: scale all images of the file alike, or "
            "save them as uint8."
        )


def _labels(where: str, array: Array, images: int) -> NDArray[np.int64]:
    shape = f"({', '.join(map(str, array.shape))})"
    if array.ndim == 2 and array.shape[1] > 1 and len(array) == images:
        raise BadInput(
            f"{where} is {shape}: {array.shape[1]} labels an image, expected one class number each: save the one to "
            "compare with, or leave labels out."
        )
    if array.ndim not in (1, 2) or array.size != images:
        raise BadInput(f"{where} is {shape}, but there are {counted(images, 'image')}: expected one label for each.")
    numbers = array.ravel()
    whole = numbers.dtype.kind in "iub" or (
        numbers.dtype.kind == "f" and bool(np.isfinite(numbers).all()) and bool((numbers == np.floor(numbers)).all())
    )
    if not whole or numbers.min() < 0:
        raise BadInput(f"{where} holds other than whole numbers from 0: number the classes 0, 1, 2, ...")
    return numbers.astype(np.int64)


def _unequal_sizes(file: Path, images: Mapping[str, Array]) -> list[str]:
    sizes = {part: array.shape[1:] for part, array in images.items()}
    if len(set(sizes.values())) < 2:
        return []
    told = ", ".join(f"{part}_images {' x '.join(map(str, size))}" for part, size in sizes.items())
    return [f"{file}: images differ in size between the parts (depth x height x width): {told}. Bring all to one size."]


def _notes(images: Mapping[str, Array], labels: Mapping[str, Array], unused: list[str]) -> list[str]:
    size = next(iter(images.values())).shape[1:]
    counts = [f"{len(images[part]):,} {word}" for part, word in PARTS.items() if part in images]
    notes = [f"{', '.join(counts)} images of {' x '.join(map(str, size if size[0] > 1 else size[1:]))}"]
    if size[0] in COLOURS:
        notes.append(
            f"images are read as volumes of {size[0]} slices; if these are colours, save one intensity a pixel instead"
        )
    brightest = max(float(array.max()) / full_scale(array.dtype) for array in images.values())
    if brightest < DARK:
        notes.append(
            f"the brightest voxel of all is {brightest:.2g} on the scale from 0 to 1: images that use little of the "
            "range are better scaled before they are saved"
        )
    without = [part for part in images if part not in labels]
    if labels and without:
        notes.append(f"images without labels: {' and '.join(PARTS[part] for part in without)}")
    if not labels:
        notes.append("there are no labels: clusters cannot be compared with classes")
    if unused:
        notes.append(f"not used: {', '.join(unused[:_KEYS_SHOWN])}{', ...' if len(unused) > _KEYS_SHOWN else ''}")
    return notes
