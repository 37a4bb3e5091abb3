"""One image as the quality page knows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from medcl.figures.quality.measure import Measured
from medcl.figures.quality.outliers import OUTLIER, robust_scores
from medcl.figures.quality.statistics import STATISTICS
from medcl.figures.quality.warnings import image_warnings
from medcl.imaging.stored_volume import StoredVolume


@dataclass(frozen=True)
class QualityImage:
    """An image with what was found about it.

    Attributes:
        patient: as the page calls them: the name, or a number.
        entry: the line of the manifest; the page shows neither its case nor its patient.
        measured: picture and numbers.
        warnings: sentences.
        scores: robust z-score by name of STATISTICS.
    """

    patient: str
    entry: StoredVolume
    measured: Measured
    warnings: tuple[str, ...] = ()
    scores: dict[str, float] = field(default_factory=dict)

    @property
    def exam(self) -> str:
        """The examination in words: patient and exam."""
        return joined(self.patient, self.entry.exam)

    @property
    def name(self) -> str:
        """The image in words: patient, exam, sequence."""
        return joined(self.exam, self.entry.sequence)

    @property
    def score(self) -> float:
        """The greatest distance of any statistic from the others'."""
        return max(map(abs, self.scores.values()), default=0.0)

    @property
    def outlying(self) -> dict[str, float]:
        """The statistics that make it an outlier, the farthest first."""
        far = [name for name, score in self.scores.items() if abs(score) >= OUTLIER]
        return {name: self.scores[name] for name in sorted(far, key=lambda name: -abs(self.scores[name]))}


def judged(
    patients: Sequence[str],
    entries: Sequence[StoredVolume],
    measured: Sequence[Measured],
    odd: Sequence[tuple[str, ...]] = (),
) -> list[QualityImage]:
    """Images with their warnings and scores, in the given order.

    Args:
        patients: how the page calls the patient of each image.
        entries: the lines of the manifest.
        measured: what was measured of each.
        odd: what was found odd about each source; empty where that is not known of any.
    """
    plain = [QualityImage(*image) for image in zip(patients, entries, measured, strict=True)]
    if not plain:
        return []
    said = image_warnings(entries, measured, [image.name for image in plain])
    if odd:
        said = [(*sources, *own) for sources, own in zip(odd, said, strict=True)]
    values = np.array([[found.values[name] for name in STATISTICS] for found in measured])
    least = np.array([statistic.least for statistic in STATISTICS.values()])
    scores = robust_scores(values, least, [f"{entry.modality} {entry.sequence}" for entry in entries])
    return [
        QualityImage(
            image.patient,
            image.entry,
            image.measured,
            said[row],
            dict(zip(STATISTICS, scores[row].tolist(), strict=True)),
        )
        for row, image in enumerate(plain)
    ]


def worst_first(images: Sequence[QualityImage]) -> list[int]:
    """Places of the images: outliers, the farthest first; then those with warnings; then the others as they come."""

    def rank(place: int) -> tuple[float, bool, int]:
        image = images[place]
        return -image.score if image.outlying else 0.0, not image.warnings, place

    return sorted(range(len(images)), key=rank)


def joined(*parts: str) -> str:
    """The parts of a name that are not empty: "P001 · M3"."""
    return " · ".join(part for part in parts if part)
