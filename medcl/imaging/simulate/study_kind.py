"""What `medcl simulate` needs to know of a kind of study: its settings, its columns, and its patients one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True)
class SimulatedImage:
    """An image of an exam with its label map, both indexed (i, j, k) as NIfTI stores them."""

    sequence: str
    voxels: NDArray[Any]
    labels: NDArray[Any]
    affine: NDArray[Any]


@dataclass(frozen=True)
class SimulatedExam:
    """An exam.

    Args:
        patient: name, such as P001.
        exam: name, such as M3; "" where a patient has one exam only.
        clinical: cells of cohort.csv that all its rows share.
        truth: its row of truth.csv.
        images: one by one, rendered as they are asked for.
    """

    patient: str
    exam: str
    clinical: dict[str, str]
    truth: dict[str, Any]
    images: Iterator[SimulatedImage]


@dataclass(frozen=True)
class StudyKind:
    """A kind of study.

    Args:
        settings: its medcl.toml.
        columns: header of its cohort.csv.
        exams: of the patient of a seed and a number (from 1); the same however many patients there are.
        least: the fewest patients with which it makes sense.
        why: what fewer would leave out, for the message.
        following: the commands that come next in the study.
    """

    settings: str
    columns: tuple[str, ...]
    exams: Callable[[int, int], Iterator[SimulatedExam]]
    least: int = 1
    why: str = ""
    following: tuple[str, ...] = ("medcl preprocess",)


_MODULES = {"transplant-mr": "transplant_kind", "cardiac-mr": "cardiac_kind", "abdomen-ct-mr": "abdomen_kind"}


def study_kind(name: str) -> StudyKind:
    """Return the kind of this name; only its own code is imported."""
    module = import_module(f"{__package__}.{_MODULES[name]}")
    kind = module.KIND
    assert isinstance(kind, StudyKind)
    return kind
