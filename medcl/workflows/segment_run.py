"""Whether a run of `medcl segment train` can be applied, and to what."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from medcl.study.errors import BadInput
from medcl.study.folder import Study

if TYPE_CHECKING:
    from medcl.evaluation.saved_segmenter import SavedSegmenter

KIND = "segment"
"""Of the runs of `medcl segment train`."""


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
