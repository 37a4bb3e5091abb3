"""One line of a volume store's manifest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:  # who only reads a store needs no NIfTI reader
    from medcl.imaging.prepare import Prepared

Numbers = tuple[float, ...]


@dataclass(frozen=True)
class StoredVolume:
    """A prepared image in a volume store.

    Attributes:
        case: unique name.
        patient, exam, sequence, modality, site: from the cohort, "" where missing.
        file, label_file: relative to the store's folder; label_file is "" without labels.
        shape: voxels along z, y, x.
        spacing: mm along z, y, x.
        affine: the 4x4's 16 numbers row by row, from (x, y, z) voxel to RAS+ mm; `matrix` has it as an array.
        content: hash of the source's canonical voxels: equal for the same image under two names.
        label_content: hash of the stored labels, "" without.
        recipe: key of the recipe.
        key: hash of files, centre and recipe: an image whose key is unchanged need not be prepared again.
        source_shape, source_spacing: of the canonical source, z, y, x.
        region_shape: of the region of interest before crop or pad.
        low, q01, median, q99, high: intensities of the source.
        volume_content: hash of the stored volume, by which `medcl preprocess --verify` knows it again; "" in stores
            that were made before it was noted.
        scale, offset: a stored number s was offset + scale * s, where the intensity recipe did not cut it off (after
            the bias field was taken out, with --n4); None in stores that were made before they were noted.
        warnings: what was odd about the source, in sentences without its files' paths; None in stores that were made
            before it was noted.
    """

    case: str
    patient: str
    exam: str
    sequence: str
    modality: str
    site: str
    file: str
    label_file: str
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    affine: Numbers
    content: str
    label_content: str
    recipe: str
    key: str
    source_shape: tuple[int, int, int]
    source_spacing: tuple[float, float, float]
    region_shape: tuple[int, int, int]
    low: float
    q01: float
    median: float
    q99: float
    high: float
    volume_content: str = ""
    scale: float | None = None
    offset: float | None = None
    warnings: tuple[str, ...] | None = None

    @property
    def matrix(self) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        """The affine as (4, 4)."""
        return np.array(self.affine, dtype=np.float64).reshape(4, 4)

    def renamed(self, names: Mapping[str, str]) -> StoredVolume:
        """The same volume under the names that the cohort has for it now (patient, exam, ...)."""
        changed: dict[str, Any] = {name: names.get(name, "") for name in NAMES}
        return replace(self, **changed)

    def to_row(self) -> dict[str, str]:
        """Texts for the manifest; several numbers in a cell stand with spaces between."""
        return {name: _WRITERS.get(name, _text)(getattr(self, name)) for name in COLUMNS}

    @classmethod
    def from_row(cls, row: Mapping[str, str]) -> StoredVolume:
        """The line that `to_row` wrote, or an older medcl that noted less.

        Raises:
            ValueError, KeyError: it is not one.
        """
        if None in row.values():
            raise ValueError("the line ends early")
        there = [name for name in COLUMNS if name in row or name not in _LATER]
        return cls(**{name: _PARSERS.get(name, str)(row[name]) for name in there})


def stored_volume(
    names: Mapping[str, str], prepared: Prepared, recipe: str, key: str, warnings: tuple[str, ...] = ()
) -> StoredVolume:
    """The manifest's line of a prepared image.

    Args:
        names: case, patient, exam, sequence, modality, site.
        prepared: the image.
        recipe: the recipe's key.
        key: that of the image's files and the recipe.
        warnings: what is odd about the source, without the paths of its files.
    """
    levels = prepared.intensities
    shape = prepared.volume.shape
    z, y, x = (float(n) for n in np.linalg.norm(prepared.affine[:3, :3], axis=0)[::-1])
    return StoredVolume(
        **{name: names.get(name, "") for name in NAMES},
        file=f"volumes/{names['case']}.npy",
        label_file=f"labels/{names['case']}.npy" if prepared.labels is not None else "",
        shape=(shape[0], shape[1], shape[2]),
        spacing=(z, y, x),
        affine=tuple(float(n) for n in prepared.affine.ravel()),
        content=prepared.content,
        label_content=prepared.label_content,
        recipe=recipe,
        key=key,
        source_shape=prepared.source_shape,
        source_spacing=prepared.source_spacing,
        region_shape=prepared.region_shape,
        low=levels.low,
        q01=levels.q01,
        median=levels.median,
        q99=levels.q99,
        high=levels.high,
        volume_content=prepared.volume_content,
        scale=prepared.levels.high - prepared.levels.low,
        offset=prepared.levels.low,
        warnings=warnings,
    )


def _text(value: Any) -> str:
    if value is None:
        return ""
    return " ".join(repr(part) for part in value) if isinstance(value, tuple) else str(value)


def _sentences_text(sentences: tuple[str, ...] | None) -> str:
    return "" if sentences is None else json.dumps(sentences, ensure_ascii=False)


def _sentences(text: str) -> tuple[str, ...] | None:
    return tuple(str(part) for part in json.loads(text)) if text else None


def _number(text: str) -> float | None:
    return float(text) if text else None


def _whole_numbers(text: str) -> tuple[int, ...]:
    return _three(tuple(int(part) for part in text.split()))


def _three_numbers(text: str) -> Numbers:
    return _three(tuple(float(part) for part in text.split()))


def _three(parts: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(parts) != 3:
        raise ValueError(f"expected three numbers, got {len(parts)}")
    return parts


def _sixteen(text: str) -> Numbers:
    parts = tuple(float(part) for part in text.split())
    if len(parts) != 16:
        raise ValueError(f"expected 16 numbers, got {len(parts)}")
    return parts


NAMES = ("case", "patient", "exam", "sequence", "modality", "site")
COLUMNS = tuple(field.name for field in fields(StoredVolume))
_LATER = ("volume_content", "scale", "offset", "warnings")  # columns that manifests of earlier versions lack
_PARSERS: dict[str, Any] = {
    "shape": _whole_numbers,
    "source_shape": _whole_numbers,
    "region_shape": _whole_numbers,
    "spacing": _three_numbers,
    "source_spacing": _three_numbers,
    "affine": _sixteen,
    **dict.fromkeys(("low", "q01", "median", "q99", "high"), float),
    **dict.fromkeys(("scale", "offset"), _number),
    "warnings": _sentences,
}
_WRITERS: dict[str, Any] = {"warnings": _sentences_text}
