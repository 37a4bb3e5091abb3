"""The leakage gate: no patient, and no image content, stands on two sides of a split.

Numbers on held-out patients mean nothing when the network has seen those patients, be it under another case, another
spelling of the patient's name, or as a copy of the same image under another name. Training passes this gate first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from medcl.study.errors import BadInput
from medcl.study.plural import counted
from medcl.study.spelling import folded

SHOWN = 10


class Image(Protocol):
    """What the gate looks at, of an image of a volume store for one: its name, patient and hash of its voxels."""

    @property
    def case(self) -> str: ...

    @property
    def patient(self) -> str: ...

    @property
    def content(self) -> str: ...


def check_images(images: Iterable[Image], sides: Mapping[str, str], others: str | None = None) -> None:
    """Refuse images of which a patient or a content stands on two sides.

    Args:
        images: with their names, patients and contents.
        sides: the part (train, val, test) of each patient.
        others: the side of patients who have none there; None leaves their images out.

    Raises:
        BadInput: as `check_leakage`.
    """
    chosen = [image for image in images if others is not None or image.patient in sides]
    check_leakage(
        [image.case for image in chosen],
        [image.patient for image in chosen],
        [image.content for image in chosen],
        [sides.get(image.patient, others or "") for image in chosen],
    )


def check_leakage(
    cases: Sequence[str],
    patients: Sequence[str],
    contents: Sequence[str],
    splits: Mapping[str, str] | Sequence[str],
) -> None:
    """Refuse a split that leaks.

    Args:
        cases: (N,) unique names of the images.
        patients: (N,) patient of each image.
        contents: (N,) hash of each image's voxels.
        splits: the part (train, val, test) of each patient by name, or (N,) of each image.

    Raises:
        BadInput: a patient (names that differ only in case or spaces are one) or one content is in two parts, or
            a patient has no part; names the cases.
    """
    if isinstance(splits, Mapping):
        without = sorted({patient for patient in patients if patient not in splits})
        if without:
            raise BadInput(f"Patients without a split: {', '.join(without[:SHOWN])} ({len(without)} in all).")
        sides = [splits[patient] for patient in patients]
    else:
        sides = list(splits)
    problems = []
    for patient, members in _on_two_sides([folded(patient) for patient in patients], sides):
        problems.append(
            f"Patient '{patients[members[0]] if members else patient}' is on two sides of the split: "
            f"{_told(cases, sides, members)}. All images of a patient belong to one side."
        )
    for _, members in _on_two_sides(list(contents), sides):
        if len({folded(patients[index]) for index in members}) > 1:
            problems.append(
                f"The same image content stands on two sides of the split: {_told(cases, sides, members)}. "
                "Remove the copy from cohort.csv, or put its patients on one side."
            )
    if len(problems) > SHOWN:
        problems = [*problems[:SHOWN], f"... and {counted(len(problems) - SHOWN, 'more leak')}."]
    if problems:
        raise BadInput(problems)


def _on_two_sides(keys: Sequence[str], sides: Sequence[str]) -> list[tuple[str, list[int]]]:
    members: dict[str, list[int]] = {}
    for index, key in enumerate(keys):
        members.setdefault(key, []).append(index)
    return [(key, group) for key, group in members.items() if len({sides[index] for index in group}) > 1]


def _told(cases: Sequence[str], sides: Sequence[str], members: Sequence[int]) -> str:
    shown: dict[str, list[str]] = {}
    for index in members:
        shown.setdefault(sides[index], []).append(cases[index])
    return "; ".join(
        f"{side}: {', '.join(names[:3])}" + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        for side, names in sorted(shown.items())
    )
