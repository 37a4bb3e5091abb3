"""What the user should know about images that were segmented: cut, of another spacing, seen in training, empty."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medcl.study.plural import counted
from medcl.study.segmentations import NEW, SPLITS

if TYPE_CHECKING:
    from medcl.workflows.known_patients import KnownPatients
    from medcl.workflows.segment_prediction import PredictedMask

SHIFTED_SPACING = 1.5
"""Ratio of an image's voxel spacing to the run's mean one, either way, from which on the user is told."""

_SHOWN = 5


@dataclass
class Remarks:
    """Collects what the user should know about images that were segmented.

    Attributes:
        card: of the run.
        flat: whether its network takes slices.
        cut: images larger than what the network sees.
        shifted: images of another voxel spacing.
        looked: how many images there were.
        seen: images whose voxels the run knows though their patients do not tell it, by side of its split.
        renamed: those of them that it knows by other names.
        empty: images without any voxel of a class.
    """

    card: Mapping[str, Any]
    flat: bool
    cut: list[str] = field(default_factory=list)
    shifted: list[str] = field(default_factory=list)
    looked: int = 0
    seen: dict[str, list[str]] = field(default_factory=dict)
    renamed: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)

    def add(self, mask: PredictedMask, known: KnownPatients) -> None:
        """Look at one image."""
        assert mask.mask is not None
        self.looked += 1
        if mask.cut:
            self.cut.append(mask.case)
        if self._is_shifted(mask.spacing):
            self.shifted.append(f"{mask.case} ({' '.join(f'{mm:.3g}' for mm in mask.spacing)})")
        if not mask.mask.voxels.any():
            self.empty.append(mask.case)
        side = known.contents.get(mask.content, NEW)
        if side != NEW and known.splits.get(mask.job.names["patient"], NEW) != side:
            self.seen.setdefault(side, []).append(mask.case)
            if mask.case not in known.cases.get(mask.content, ()):
                self.renamed.append(mask.case)

    def _is_shifted(self, spacing: Sequence[float]) -> bool:
        usual = self.card.get("spacing")
        if not usual or len(usual) != 3:
            return False
        first = 1 if self.flat else 0  # the distance of slices plays no part in 2D
        ratios = [now / then for now, then in zip(spacing[first:], usual[first:], strict=True)]
        return any(not 1 / SHIFTED_SPACING < ratio < SHIFTED_SPACING for ratio in ratios)

    def sentences(self) -> Iterator[str]:
        """Yield what is to be said."""
        if self.seen:
            yield self._seen()
        if self.cut:
            size = "--slice-size" if (self.card.get("recipe") or {}).get("slices") else "--size"
            yield (
                f"{counted(len(self.cut), 'image')} larger than what the run's {size} holds: what lies outside was "
                f"not looked at and is background ({_some(self.cut)})."
            )
        if self.shifted:
            usual = " ".join(f"{mm:.3g}" for mm in self.card["spacing"])
            yield (
                f"{counted(len(self.shifted), 'image')} of quite another voxel spacing than the run's {usual} mm (z y "
                f"x), to which its recipe does not resample: look at the masks ({_some(self.shifted)})."
            )
        if self.empty:
            yield f"{counted(len(self.empty), 'mask')} empty, no voxel is of any class ({_some(self.empty)})."

    def _seen(self) -> str:
        sides = [(side, self.seen[side]) for side in SPLITS if side in self.seen]
        told = "; ".join(f"{side} {len(cases)} ({_some(cases)})" for side, cases in sides)
        number = sum(len(cases) for _, cases in sides)
        many = "these" if self.looked > 1 else "this"
        words = [f"The run knows {number} of {many} {counted(self.looked, 'image')} by the voxels: {told}."]
        words += [f"By other names: {_some(self.renamed)}."] if self.renamed else []
        known = " and ".join(side for side in ("train", "val") if side in self.seen)
        marked = "They are marked so" if number > 1 else "It is marked so"
        return " ".join([*words, f"{marked}; those of {known} are no test of it." if known else f"{marked}."])


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
            f"{first}: {whole}" if len(found) == 1 else f"{counted(len(found), 'image')} ({_some(names)}): {problem}"
        )
    return lines


def _some(names: Collection[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(list(names)[:_SHOWN]) + more
