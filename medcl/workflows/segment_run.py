"""Which run of `medcl segment train` is applied, whether it can be, and whom it knows."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from medcl.study.errors import BadInput
from medcl.study.folder import Study
from medcl.study.names import nearest
from medcl.study.runs import Run, list_runs, newest_run, read_run
from medcl.study.segmentations import NEW

if TYPE_CHECKING:
    from medcl.evaluation.saved_segmenter import SavedSegmenter

KIND = "segment"
"""Of the runs of `medcl segment train`."""

log = logging.getLogger("medcl")


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


def choose_run(study: Study | None, name: str | None, option: str = "--run ") -> Run:
    """The finished run of `medcl segment train` of a name in runs/ or in a folder; the newest one for None.

    Args:
        study: whose runs/ is looked into first; None outside of a study.
        name: as the user gave it.
        option: what stood before the name, for messages.

    Raises:
        BadInput: there is none, or it is of another kind or not finished.
    """
    if name is None:
        if study is None:
            raise BadInput("Outside of a study, --run FOLDER says which run is applied.")
        run = newest_run(study, KIND)
        others = [other.name for other in list_runs(study) if other.kind == KIND and other.name != run.name]
        told = f" (others: {', '.join(others[-5:])}; choose with --run)" if others else ""
        log.info(f"Run: {run.name}, the newest finished one{told}.")
        return run
    places = [Path(name)] if study is None else [study.runs / name, Path(name)]
    path = next((path for path in places if (path / "run.json").is_file()), None)
    if path is None:
        names = [run.name for run in list_runs(study) if run.kind == KIND] if study else []
        close = nearest(name, names) or names[-5:]
        there = f"there are {', '.join(close)}" if close else "there are none; run `medcl segment train` first"
        where = f"such run in {study.runs} and no run folder of that path; {there}" if study else "run folder"
        raise BadInput(f"{option}{name}: no {where}.")
    run = read_run(path)
    if run.kind != KIND:
        raise BadInput(f"{option}{name}: this is a run of `medcl {run.kind}`, not of `medcl segment train`.")
    if run.status != "finished":
        raise BadInput(
            f"{option}{name}: the run is {run.status}, so it has no network yet. "
            f"Go on with `medcl segment train --name {run.name} --resume`, or choose another run."
        )
    return run


def refuse_unusable(saved: SavedSegmenter, folder: Path) -> None:
    """Refuse a network that images of files cannot be prepared for.

    Raises:
        BadInput: its card contradicts itself, or asks for what this medcl does not do.
    """
    from medcl.imaging.roi import REGIONS

    problems = []
    card, recipe = saved.card, saved.recipe
    if recipe.key() != card.get("recipe_key"):
        problems.append("the recipe on its card is not the one that it was trained with (the card was changed)")
    channels = card.get("architecture", {}).get("channels", 1)
    if channels != 1:
        problems.append(f"its network takes {channels} channels, and a file holds one")
    of_run = bool(recipe.roi_run and recipe.roi_weights)
    if recipe.roi_kind not in REGIONS or (recipe.roi_kind == "run" and not of_run):
        problems.append(f"its images were cut to the region '{recipe.roi}', which this medcl does not know")
    if recipe.slices is not None and saved.size[0] != 1:
        problems.append("its recipe makes slices and its network takes volumes")
    if problems:
        raise BadInput([f"{folder}: {problem}: train the run again, or choose another one." for problem in problems])


def trained_modalities(saved: SavedSegmenter, folder: Path) -> set[str]:
    """Modalities that a run was trained on, where its card tells them or its volumes are still there; else none."""
    from medcl.imaging.store import MANIFEST, read_manifest

    told = saved.card.get("modalities")
    if told is not None:
        return {str(each) for each in told} - {""}
    manifest = Study(folder.absolute().parent.parent).preprocessed(str(saved.card.get("preprocessed", ""))) / MANIFEST
    if not manifest.is_file():
        return set()
    found = {entry.modality for entry in read_manifest(manifest)}
    return set() if "" in found else found
