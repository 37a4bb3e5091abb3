"""The files of `medcl embed`: every chosen image through the encoder of every fold, written as the features come.

Of a store of slices a row is still an image: the mean over the features of its slices.
"""

from __future__ import annotations

import csv
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from medcl.evaluation.encode import encode
from medcl.evaluation.feature_table import FeatureWriter, write_card
from medcl.evaluation.saved_encoder import SavedEncoder, open_encoder
from medcl.study.errors import BadInput
from medcl.study.exams import exam_order
from medcl.study.files import TEMPORARY_PREFIX, write_json, write_whole
from medcl.study.plural import counted
from medcl.workflows.progress import progress

if TYPE_CHECKING:
    from medcl.imaging.store import VolumeStore

NEW = "new"
"""The split of patients that the run's own splits do not name: it has never seen them."""


@dataclass(frozen=True)
class FoldEncoder:
    """One encoder: its number (None without folds), folder, and the split of each patient."""

    number: int | None
    folder: Path
    splits: Mapping[str, str]


@dataclass(frozen=True)
class FeatureFiles:
    """What is encoded, by what, and how it is written.

    Attributes:
        store: reads the entries.
        entries: the images, in the order of the rows.
        folds: the encoders; every one encodes every image.
        layer: key of `LAYERS`.
        batch_size: images, or slices, at once.
        device: where they are encoded.
    """

    store: VolumeStore
    entries: list[Any]
    folds: list[FoldEncoder]
    layer: str
    batch_size: int
    device: torch.device

    def write_table(self, output: Path, clinical: Mapping[str, Mapping[str, Any]], card: Mapping[str, Any]) -> int:
        """Write one table as the features come; return how many features a row has."""
        with (
            write_whole(output) as temporary,
            temporary.open("w", encoding="utf-8", newline="") as file,
            progress("Encoding", len(self.entries) * len(self.folds)) as done,
        ):
            writer = None
            for fold in self.folds:
                saved = self._open(fold)
                writer = writer or FeatureWriter(file, saved.features, list(clinical), fold.number is not None)
                for batch, rows in self._encode(saved, self.entries, done):
                    writer.add([_identity(entry, fold, clinical) for entry in batch], rows)
        write_card(output, {**card, "features": saved.features})
        return saved.features

    def write_per_exam(self, output: Path, card: Mapping[str, Any]) -> int:
        """Write a folder with one file for each exam (and fold); it appears whole or not at all."""
        temporary = output.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(6)}-{output.name}")
        exams = exam_order(entry.exam for entry in self.entries)
        try:
            with progress("Encoding", len(self.entries) * len(self.folds)) as done:
                for fold in self.folds:
                    saved = self._open(fold)
                    folder = temporary if fold.number is None else temporary / f"fold-{fold.number}"
                    for exam in exams:
                        self._write_exam(folder / f"{file_name(exam)}.csv", exam, saved, done)
            write_json(temporary / "card.json", {**card, "features": saved.features})
            if output.exists():
                shutil.rmtree(output)
            temporary.rename(output)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return saved.features

    def _write_exam(self, file: Path, exam: str, saved: SavedEncoder, done: Callable[[int], None]) -> None:
        """Rows are patients, with the mean over the exam's sequences; columns patient, 0, 1, ... and nothing else."""
        of_patient: dict[str, list[Any]] = {}
        entries = [entry for entry in self.entries if entry.exam == exam]
        for batch, rows in self._encode(saved, entries, done):
            for entry, row in zip(batch, rows, strict=True):
                of_patient.setdefault(str(entry.patient), []).append(row)
        with write_whole(file) as temporary, temporary.open("w", encoding="utf-8", newline="") as opened:
            writer = csv.writer(opened, lineterminator="\n")
            writer.writerow(["patient", *range(saved.features)])
            for patient, found in of_patient.items():
                mean = np.mean(found, axis=0, dtype=np.float64).astype(np.float32)
                writer.writerow([patient, *mean.astype("U").tolist()])

    def _open(self, fold: FoldEncoder) -> SavedEncoder:
        saved = open_encoder(fold.folder, self.layer, self.device)
        wrong = [entry.case for entry in self.entries if self._size(entry) != saved.size]
        if wrong:
            z, y, x = saved.size
            raise BadInput(
                f"{counted(len(wrong), 'image')}, such as {wrong[0]}, not of the run's size {z} {y} {x} (z y x; "
                f"{x} {y} {z} as x y z): run `medcl preprocess` with that "
                f"{'--slice-size' if self.store.sliced else '--size'}."
            )
        return saved

    def _size(self, entry: Any) -> tuple[int, ...]:
        """What the encoder gets of an image."""
        z, y, x = entry.shape
        return (1 if self.store.sliced else z), y, x

    def _encode(
        self, saved: SavedEncoder, entries: list[Any], done: Callable[[int], None]
    ) -> Iterator[tuple[Any, Any]]:
        for batch, rows in encode(
            self.store,
            entries,
            saved.module,
            batch_size=self.batch_size,
            device=self.device,
            slices=self.store.sliced,
        ):
            yield batch, rows
            done(len(batch))


def _identity(entry: Any, fold: FoldEncoder, clinical: Mapping[str, Mapping[str, Any]]) -> list[str]:
    number = [] if fold.number is None else [str(fold.number)]
    values = [str(column.get(entry.case, "")) for column in clinical.values()]
    return [entry.patient, entry.exam, entry.sequence, fold.splits.get(entry.patient, NEW), *number, *values]


def file_name(exam: str) -> str:
    """The name, without ending, of an exam's file."""
    return re.sub(r"[^\w.+-]+", "-", exam).strip(".") or "exam"
