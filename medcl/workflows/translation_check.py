"""What the translations of a finished training kept of their sources: hallucination.csv.

Looked at in validation patients, whom the networks did not learn from; in training patients where there are none.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from medcl.data.domains import Domains
from medcl.data.samples import Samples
from medcl.evaluation.hallucination import Hallucination, hallucination
from medcl.evaluation.intensity_distance import intensity_distance
from medcl.evaluation.translate_volume import translate_volume
from medcl.networks.generator import Generator
from medcl.study.files import write_text
from medcl.study.label_classes import LabelClass

FILE = "hallucination.csv"
DIGITS = 5
"""Of the numbers in the table."""

TARGET_SLICES = 256
"""Of target slices so many, evenly spread, tell the intensities that translations should have."""

TRAINING_IMAGES, TRAINING_SLICES = 2, 16
"""Without validation patients so many images of training patients are looked at, and of each so many slices."""

EVALUATION_SLICES = 16

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class CheckedImage:
    """One source image.

    Attributes:
        case, patient, split: whose it is.
        found: what was kept.
        before, after: Wasserstein distance of the intensities of source and of translation from those of the target.
    """

    case: str
    patient: str
    split: str
    found: Hallucination
    before: float
    after: float


@dataclass(frozen=True)
class TranslationCheck:
    """What was found.

    Attributes:
        images: in the order of their names.
        target_means: by class, mean intensity in masked target images of validation patients; {} where there are none.
    """

    images: list[CheckedImage]
    target_means: dict[str, float]

    @property
    def split(self) -> str:
        """Whose images were looked at: "val", or "train" where there are no validation patients."""
        return self.images[0].split if self.images else ""


def check_translations(
    generator: Generator, domains: Domains, classes: Sequence[LabelClass], device: torch.device
) -> TranslationCheck:
    """Translate the source images of held-out patients and compare.

    Args:
        generator: in evaluation mode, on the device.
        domains: source and target slices.
        classes: of the masks; none where masks are not used.
        device: where the generator is.

    Raises:
        BadInput: a slice or mask cannot be read.
    """
    samples = domains.samples
    split = "val" if (domains.source & (samples.splits == "val")).any() else "train"
    target = _target_intensities(domains)
    images = []
    cases = list(dict.fromkeys(samples.cases[domains.source & (samples.splits == split)].tolist()))
    for case in cases if split == "val" else cases[:TRAINING_IMAGES]:
        rows = np.flatnonzero(domains.source & (samples.cases == case))
        if split == "train":
            rows = _evenly(rows, TRAINING_SLICES)
        source, labels = read_stack(samples, rows, bool(classes))
        translated = translate_volume(generator, source, batch_size=EVALUATION_SLICES)
        images.append(
            CheckedImage(
                case,
                str(samples.patients[rows[0]]),
                split,
                hallucination(source, translated, labels),
                intensity_distance(source, target),
                intensity_distance(translated, target),
            )
        )
    return TranslationCheck(images, _target_means(domains, classes))


def read_stack(samples: Samples, rows: NDArray[np.int64], masks: bool) -> tuple[Floats, NDArray[Any] | None]:
    """Read slices (N, Y, X), and their label values where they are asked for and the image has a mask."""
    slices = np.empty((len(rows), *samples.size[1:]), np.float32)
    labels = np.zeros(slices.shape, np.uint16)
    known = masks
    for place, row in enumerate(rows.tolist()):
        samples.read(row, slices[place : place + 1])
        known = known and samples.read_labels(row, labels[place : place + 1])
    return slices, labels if known else None


def write_check(folder: Path, check: TranslationCheck, classes: Sequence[LabelClass]) -> Path:
    """Write hallucination.csv, a line for each image, whole or not at all; return the file.

    Columns: case, patient, split, mutual_information and chance (bits), distance_before and distance_after (Wasserstein
    distance of intensities from the target's), and for each class NAME source, NAME translated (mean intensities).
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    means = [f"{each.name} {side}" for each in classes for side in ("source", "translated")]
    names = ["case", "patient", "split", "mutual_information", "chance", "distance_before", "distance_after"]
    writer.writerow([*names, *means])
    for image in check.images:
        numbers = [image.found.mutual_information, image.found.chance, image.before, image.after]
        by_label = {each.label: (each.source_mean, each.translated_mean) for each in image.found.labels}
        numbers += [number for each in classes for number in by_label.get(each.value, (None, None))]
        told = ("" if number is None else f"{number:.{DIGITS}g}" for number in numbers)
        writer.writerow([image.case, image.patient, image.split, *told])
    write_text(folder / FILE, text.getvalue())
    return folder / FILE


def _target_intensities(domains: Domains) -> Floats:
    """Some training slices of the target."""
    rows = np.flatnonzero(~domains.source & (domains.samples.splits == "train"))
    return read_stack(domains.samples, _evenly(rows, TARGET_SLICES), masks=False)[0]


def _evenly(rows: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """At most so many of the rows, evenly spread."""
    places = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), most)).astype(int))
    return np.asarray(rows[places], np.int64)


def _target_means(domains: Domains, classes: Sequence[LabelClass]) -> dict[str, float]:
    """Mean intensity of each class in masked target images of validation patients."""
    samples = domains.samples
    rows = np.flatnonzero(~domains.source & (samples.splits == "val") & samples.has_labels)
    if not (len(rows) and len(classes)):
        return {}
    slices, labels = read_stack(samples, rows, masks=True)
    assert labels is not None
    inside = {each.name: slices[labels == each.value] for each in classes}
    return {name: float(values.mean()) for name, values in inside.items() if values.size}
