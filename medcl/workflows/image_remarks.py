"""What the user should know about images that a run was applied to: cut, of another spacing, seen in its training."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from medcl.study.plural import counted
from medcl.study.segmentations import NEW, SPLITS

if TYPE_CHECKING:
    from medcl.imaging.worker import Job
    from medcl.workflows.known_patients import KnownPatients

SHIFTED_SPACING = 1.5
"""Ratio of an image's voxel spacing to the run's mean one, either way, from which on the user is told."""

_SHOWN = 5


class AppliedImage(Protocol):
    """What became of an image (`segment_prediction.PredictedMask`, `translate_prediction.TranslatedImage`)."""

    @property
    def job(self) -> Job:
        """Its names and files."""

    @property
    def case(self) -> str:
        """Its name."""

    @property
    def content(self) -> str:
        """Hash of its canonical voxels."""

    @property
    def spacing(self) -> tuple[float, float, float]:
        """In mm along z, y, x of what the network saw."""

    @property
    def cut(self) -> bool:
        """Whether a part of it was not seen."""


@dataclass
class ImageRemarks:
    """Collects what the user should know about images that a run was applied to.

    Attributes:
        card: of the run, with the spacing and the recipe of its images.
        flat: whether its network takes slices.
        results: what comes out, for messages.
        unseen: what stands where the network did not look.
        cut: images larger than what the network sees.
        shifted: images of another voxel spacing.
        looked: how many images there were.
        seen: images whose voxels the run knows though their patients do not tell it, by side of its split.
        renamed: those of them that it knows by other names.
    """

    card: Mapping[str, Any]
    flat: bool
    results: str = "masks"
    unseen: str = "background"
    cut: list[str] = field(default_factory=list)
    shifted: list[str] = field(default_factory=list)
    looked: int = 0
    seen: dict[str, list[str]] = field(default_factory=dict)
    renamed: list[str] = field(default_factory=list)

    def look(self, image: AppliedImage, known: KnownPatients) -> None:
        """Look at one image."""
        self.looked += 1
        if image.cut:
            self.cut.append(image.case)
        if self._is_shifted(image.spacing):
            self.shifted.append(f"{image.case} ({' '.join(f'{mm:.3g}' for mm in image.spacing)})")
        side = known.contents.get(image.content, NEW)
        if side != NEW and known.splits.get(image.job.names["patient"], NEW) != side:
            self.seen.setdefault(side, []).append(image.case)
            if image.case not in known.cases.get(image.content, ()):
                self.renamed.append(image.case)

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
                f"not looked at and is {self.unseen} ({some(self.cut)})."
            )
        if self.shifted:
            usual = " ".join(f"{mm:.3g}" for mm in self.card["spacing"])
            yield (
                f"{counted(len(self.shifted), 'image')} of quite another voxel spacing than the run's {usual} mm (z y "
                f"x), to which its recipe does not resample: look at the {self.results} ({some(self.shifted)})."
            )

    def _seen(self) -> str:
        sides = [(side, self.seen[side]) for side in SPLITS if side in self.seen]
        told = "; ".join(f"{side} {len(cases)} ({some(cases)})" for side, cases in sides)
        number = sum(len(cases) for _, cases in sides)
        many = "these" if self.looked > 1 else "this"
        words = [f"The run knows {number} of {many} {counted(self.looked, 'image')} by the voxels: {told}."]
        words += [f"By other names: {some(self.renamed)}."] if self.renamed else []
        known = " and ".join(side for side in ("train", "val") if side in self.seen)
        marked = "They are marked so" if number > 1 else "It is marked so"
        return " ".join([*words, f"{marked}; those of {known} are no test of it." if known else f"{marked}."])


def some(names: Collection[str]) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(list(names)[:_SHOWN]) + more
