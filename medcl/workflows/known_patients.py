"""Whom a run has seen: the side of its split on which an image stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from medcl.study.runs import Run
from medcl.study.segmentations import NEW


@dataclass(frozen=True)
class KnownPatients:
    """Who is on which side of a run's split.

    Attributes:
        splits: by patient; empty for a run of another study, whose P001 is not this study's.
        contents: split by hash of the image's voxels: an image that the run knew is known again under any name.
        cases: the names that it knew such voxels by.
    """

    splits: Mapping[str, str]
    contents: Mapping[str, str]
    cases: Mapping[str, set[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, run: Run, own: bool) -> KnownPatients:
        """Those of a run; `own` when it is of the study that it is applied to."""
        from medcl.imaging.image_list import read_image_list
        from medcl.study.splits import read_splits

        file = run.path / "splits.csv"
        if not file.is_file() and not own:  # a run that was handed on without it
            return cls({}, {})
        splits = read_splits(file).of(1)
        images = read_image_list(run.path)
        contents = {image.content: splits.get(image.patient, NEW) for image in images}
        cases: dict[str, set[str]] = {}
        for image in images:
            cases.setdefault(image.content, set()).add(image.case)
        return cls(splits if own else {}, contents, cases)

    def split_of(self, patient: str, content: str) -> str:
        """train, val, test or new."""
        return self.contents.get(content) or self.splits.get(patient, NEW)
