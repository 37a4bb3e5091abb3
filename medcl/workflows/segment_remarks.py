"""What the user should know about images that were segmented: cut, of another spacing, seen in training, empty."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from medcl.study.plural import counted
from medcl.workflows.image_remarks import ImageRemarks, some

if TYPE_CHECKING:
    from medcl.workflows.known_patients import KnownPatients
    from medcl.workflows.segment_prediction import PredictedMask


@dataclass
class Remarks(ImageRemarks):
    """As `ImageRemarks`, of images that were segmented.

    Attributes:
        empty: images without any voxel of a class.
    """

    empty: list[str] = field(default_factory=list)

    def add(self, mask: PredictedMask, known: KnownPatients) -> None:
        """Look at one image and its mask."""
        assert mask.mask is not None
        self.look(mask, known)
        if not mask.mask.voxels.any():
            self.empty.append(mask.case)

    def sentences(self) -> Iterator[str]:
        """Yield what is to be said."""
        yield from super().sentences()
        if self.empty:
            yield f"{counted(len(self.empty), 'mask')} empty, no voxel is of any class ({some(self.empty)})."


def alike(bad: Mapping[str, Sequence[str]], images: Mapping[str, Path]) -> list[str]:
    """A line for each problem of images that cannot be used; those that have the same one share it.

    Args:
        bad: problems by case.
        images: the file of each case, with which its problems begin.
    """
    cases: dict[str, list[tuple[str, str]]] = {}
    for case, problems in bad.items():
        for problem in problems:
            cases.setdefault(problem.removeprefix(f"{images[case]}: "), []).append((case, problem))
    lines = []
    for problem, found in cases.items():
        names = [case for case, _ in found]
        first, whole = found[0]
        lines.append(
            f"{first}: {whole}" if len(found) == 1 else f"{counted(len(found), 'image')} ({some(names)}): {problem}"
        )
    return lines
