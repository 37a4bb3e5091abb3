"""Which runs have a segmentation network, whether it can be applied, and to what."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from medcl.study.errors import BadInput
from medcl.study.folder import Study
from medcl.study.runs import Run
from medcl.workflows.finished_run import finished_run

if TYPE_CHECKING:
    from medcl.evaluation.saved_segmenter import SavedSegmenter

KINDS = ("segment", "translate")
"""Of the runs that leave a segmenter: those of `medcl segment train`, and of `medcl translate train --segment`."""


def segmenting_run(study: Study | None, name: str | None, option: str = "--run ") -> Run:
    """The finished run with a segmenter that is named, or the newest one for None.

    Args:
        study: whose runs/ is looked into first; None outside of a study.
        name: as the user gave it.
        option: what stood before the name, for messages.

    Raises:
        BadInput: there is none, or it is of another kind, not finished, or was trained without --segment.
    """
    return finished_run(study, KINDS, name, option, lacks_segmenter)


def lacks_segmenter(run: Run) -> str:
    """Say that a translation was trained without its segmenter, and what to do; "" of a run that has one."""
    from medcl.evaluation.saved_segmenter import STEM

    asked = run.record.get("options")
    if run.kind != "translate" or (isinstance(asked, dict) and asked.get("segment")):
        return ""
    if (run.path / f"{STEM}.json").is_file():
        return ""
    return (
        f"the run {run.name} was trained without --segment, so it has no segmenter. Train one on what it translates, "
        f"with `medcl segment train --method translated --translation {run.name}`, or choose another run."
    )


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
