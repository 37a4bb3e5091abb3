"""The cohort of a MedMNIST-style npz, made in memory: its split and its labels in the form of a cohort.csv."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from medcl.imaging.npz_images import NpzImages
from medcl.study.cohort import Cohort
from medcl.study.errors import BadInput
from medcl.study.variable import Variable

LABEL = "label"
"""Name of the variable that the labels are."""


@dataclass(frozen=True)
class NumberedClasses(Variable):
    """A categorical variable whose classes are in the order of their numbers, not of their names.

    Attributes:
        order: all classes of the file.
    """

    order: tuple[str, ...] = ()

    @property
    def classes(self) -> list[str]:
        """The classes that occur, in the order of their numbers."""
        there = set(self.present)
        return [each for each in self.order if each in there]


def npz_cohort(images: NpzImages, class_names: Sequence[str] | None = None) -> Cohort:
    """Make the cohort of the images.

    Its column split is the file's own split, which `study.splits.make_splits` takes. Labels are the categorical
    variable "label", missing for images of parts without labels.

    Args:
        images: of the file, or some of them (`NpzImages.only`).
        class_names: of the numbers that occur as labels anywhere in the file, in ascending order of the numbers; None
            names classes by their numbers.

    Raises:
        BadInput: class names that are not as many as the classes, not distinct, or empty, or that stand for no labels.
    """
    entries = images.entries
    cases = [entry.case for entry in entries]
    frame = pd.DataFrame(
        {
            "case": cases,
            "patient": [entry.patient for entry in entries],
            "exam": "",
            "sequence": "",
            "image": str(images.path.absolute()),
            "modality": "",
            "mask": "",
            "split": [entry.part for entry in entries],
            "site": "",
            "scanner": "",
            "date": "",
            "reference_date": "",
        },
        dtype=object,
    )
    frame["days"] = pd.Series(np.nan, dtype="float64", index=frame.index)
    frame["row"] = pd.Series(np.arange(1, len(frame) + 1), dtype="int64", index=frame.index)
    names = _names(images, class_names)
    if not names:
        return Cohort(frame, images.path, {}, images.notes)
    known = {part: [names[number] for number in numbers.tolist()] for part, numbers in images.label_numbers.items()}
    values = [known[entry.part][entry.number] if entry.part in known else None for entry in entries]
    column = pd.Series(values, index=cases, dtype=object, name=LABEL)
    variables: dict[str, Variable] = {
        LABEL: NumberedClasses(LABEL, LABEL, "", "categorical", column, order=tuple(names.values()))
    }
    return Cohort(frame, images.path, variables, images.notes, own=variables)


def _names(images: NpzImages, class_names: Sequence[str] | None) -> dict[int, str]:
    """The name of each class by number, ascending."""
    every = [np.unique(numbers) for numbers in images.label_numbers.values()]
    numbers = np.unique(np.concatenate(every)).tolist() if every else []
    if class_names is None:
        return {number: str(number) for number in numbers}
    names = [name.strip() for name in class_names]
    if len(names) != len(numbers):
        shown = ", ".join(map(str, numbers[:10])) + (", ..." if len(numbers) > 10 else "")
        there = f"the labels are {len(numbers)} numbers ({shown})" if numbers else "the file has no labels"
        raise BadInput(
            f"{images.path}: {len(names)} class names ({', '.join(names)}), but {there}: give one name for each."
        )
    if "" in names or len(set(names)) < len(names):
        raise BadInput(f"{images.path}: class names ({', '.join(names)}) must be distinct and not empty.")
    return dict(zip(numbers, names, strict=True))
