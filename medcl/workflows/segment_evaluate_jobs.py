"""What one process does with one case of `medcl segment evaluate`: look at its masks, measure them, draw them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medcl.evaluation.segmentation import ClassScores, class_scores
from medcl.figures.segmentation.plane_names import plane_names
from medcl.figures.segmentation.views import View, views
from medcl.imaging.geometry import describe_grid, same_grid
from medcl.imaging.labels import decode_labels
from medcl.imaging.nifti import read_bytes
from medcl.imaging.suspicions import MOST_LABELS
from medcl.study.errors import BadInput
from medcl.study.label_classes import LabelClass
from medcl.study.label_values import classes_in_words, values_in_words
from medcl.workflows.segment_evaluate_cases import Pair

if TYPE_CHECKING:
    from medcl.imaging.volume import Volume

NO_IMAGE = "No image was given."
OTHER_GRID = "The image is on another grid than the masks: it is not shown."
UNREADABLE = "The image cannot be read: it is not shown."


@dataclass(frozen=True)
class Looked:
    """What stands in a pair of masks.

    Attributes:
        problems: why they cannot be compared.
        truth, prediction: voxels by label value.
    """

    problems: tuple[str, ...]
    truth: dict[int, int]
    prediction: dict[int, int]


@dataclass(frozen=True)
class MeasureJob:
    """A pair to be measured.

    Attributes:
        pair: of masks that were looked at.
        values: of the classes that are scored.
        draw: make the planes of the page too.
    """

    pair: Pair
    values: tuple[int, ...]
    draw: bool = True


@dataclass(frozen=True)
class Measured:
    """What was found of a pair: scores of each class, the planes, and why there is no image behind them."""

    scores: tuple[ClassScores, ...]
    views: tuple[View, ...]
    remark: str


def look(pair: Pair) -> Looked:
    """Read a pair of masks and count their values; what is wrong with them is told, not raised."""
    problems: list[str] = []
    masks: list[Volume] = []
    for file in (pair.truth, pair.prediction):
        try:
            masks.append(decode_labels(read_bytes(file), file, None))
        except BadInput as error:
            problems += error.problems
    if problems:
        return Looked(tuple(problems), {}, {})
    truth, prediction = masks
    if not same_grid(truth.shape, truth.affine, prediction.shape, prediction.affine):
        problems.append(
            f"{pair.case}: truth and prediction are on different grids. Truth {pair.truth}: "
            f"{describe_grid(truth.shape, truth.affine)}. Prediction {pair.prediction}: "
            f"{describe_grid(prediction.shape, prediction.affine)}. Bring the prediction to the truth's grid with "
            "nearest neighbour."
        )
    counts = [_counts(mask.voxels) for mask in masks]
    for file, mask, found in zip((pair.truth, pair.prediction), masks, counts, strict=True):
        if len(found) > MOST_LABELS and _is_the_image(mask, pair.image):
            problems.append(
                f"{file}: holds {len(found):,} different labels; its voxels are those of the image: give the mask."
            )
    return Looked(tuple(problems), *counts)


def measure(job: MeasureJob) -> Measured:
    """Score and draw a pair that `look` found no fault with.

    Raises:
        BadInput: a mask changed since and cannot be read.
    """
    pair = job.pair
    truth, prediction = (decode_labels(read_bytes(file), file, None) for file in (pair.truth, pair.prediction))
    scores = tuple(
        class_scores(truth.voxels == value, prediction.voxels == value, truth.spacing) for value in job.values
    )
    if not job.draw:
        return Measured(scores, (), "")
    image, remark = _image(pair.image, truth)
    planes = views(image, truth.voxels, prediction.voxels, job.values, truth.spacing, plane_names(truth.affine))
    return Measured(scores, planes, remark)


def _counts(labels: NDArray[Any]) -> dict[int, int]:
    counts = np.bincount(labels.ravel())
    return {int(value): int(counts[value]) for value in np.flatnonzero(counts)}


def _image(path: Path | None, truth: Volume) -> tuple[NDArray[np.float32] | None, str]:
    """The image's voxels, or why they cannot be shown; metrics need none."""
    from medcl.imaging.prepare import decode_source
    from medcl.imaging.source import Source

    if path is None:
        return None, NO_IMAGE
    try:
        image = decode_source(Source(path).image_bytes(), path)
    except BadInput:
        return None, UNREADABLE
    if not same_grid(truth.shape, truth.affine, image.shape, image.affine):
        return None, OTHER_GRID
    return image.voxels, ""


def _is_the_image(mask: Volume, path: Path | None) -> bool:
    image, _ = _image(path, mask)
    return image is not None and bool((mask.voxels == image).all())


def unknown_values(looked: Sequence[tuple[Pair, Looked]], classes: Sequence[LabelClass], declared_in: str) -> list[str]:
    """A sentence for each mask that holds a value which is no class, with the counts.

    Args:
        looked: at all pairs.
        classes: that there are.
        declared_in: where they are declared, "" where they are what the truths hold.
    """
    where, do = "found in the truths", "Name them with --classes VALUE=NAME, or correct the mask"
    if declared_in:
        where, do = f"of {declared_in}", "Declare them there, or correct the mask"
    known, there = {each.value for each in classes}, classes_in_words(classes)
    said = []
    for pair, found in looked:
        for file, counts in ((pair.truth, found.truth), (pair.prediction, found.prediction)):
            unknown = {value: count for value, count in counts.items() if value and value not in known}
            if unknown:
                told = values_in_words(unknown)
                many = (
                    f" It holds {len(counts):,} different labels: is it an image?" if len(counts) > MOST_LABELS else ""
                )
                said.append(
                    f"{file}: holds label values that are no class: {told}.{many} Classes {where}: {there}. {do}."
                )
    return said
