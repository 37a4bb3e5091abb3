"""What the masks hold that a training learns from: the classes of medcl.toml or, without them, the values found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from medcl.imaging.store import VolumeStore
from medcl.study.errors import BadInput
from medcl.study.folder import Study
from medcl.study.label_classes import LabelClass, read_label_classes, refuse_unknown_values, unnamed_classes


def classes_of_masks(
    study: Study, store: VolumeStore, sides: Mapping[str, str], labelled: Collection[str]
) -> tuple[list[LabelClass], list[str]]:
    """The classes as declared or, without a declaration, as found; nothing of test patients is looked at.

    Args:
        study: whose medcl.toml may declare classes.
        store: of the images with their masks.
        sides: the part (train, val, test) of each patient.
        labelled: training patients whose masks are learned from.

    Returns:
        The classes by value, and what the user should know about them.

    Raises:
        BadInput: masks hold values that are not declared, nothing but background, or not all declared classes.
    """
    used = [entry for entry in store.entries if entry.label_file and sides.get(entry.patient) == "val"]
    of_patients = [entry for entry in store.entries if entry.label_file and entry.patient in labelled]
    found: Counter[int] = Counter()
    of_labelled: Counter[int] = Counter()
    declared, notes = read_label_classes(study), []
    for entry in [*of_patients, *used]:
        counts = label_counts(store.labels(entry))
        if declared:
            refuse_unknown_values(counts, declared, f"The mask of {entry.case}")
        found.update(counts)
        if entry.patient in labelled:
            of_labelled.update(counts)
    classes = declared or unnamed_classes(value for value in found if value)
    if not classes:
        raise BadInput("The masks of the labelled patients hold nothing but background (0).")
    if not declared:
        told = ", ".join(str(each.value) for each in classes)
        notes.append(f"Label values found: {told}. Name them in the table [labels] of medcl.toml.")
    _refuse_missing(classes, of_labelled, labelled)
    return classes, notes


def label_counts(labels: np.ndarray[Any, Any] | None) -> Counter[int]:
    """Voxels of each value of a label map."""
    assert labels is not None
    values, counts = np.unique(labels, return_counts=True)
    return Counter(dict(zip(values.tolist(), counts.tolist(), strict=True)))


def _refuse_missing(classes: Sequence[LabelClass], found: Counter[int], patients: Collection[str]) -> None:
    missing = [each for each in classes if not found[each.value]]
    if missing:
        told = ", ".join(f"{each.value} ({each.name})" for each in missing)
        people = "labelled patient" if len(patients) == 1 else f"{len(patients)} labelled patients"
        raise BadInput(
            f"{len(classes)} label classes are declared, and the masks of the {people} hold "
            f"{len(classes) - len(missing)} of them: nothing is labelled {told}. Label patients who show them, or take "
            "them out of the table [labels] of medcl.toml."
        )
