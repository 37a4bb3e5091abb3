"""Whether a run of `medcl translate train` can be applied, and to which images of a study."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from medcl.study.errors import BadInput
from medcl.study.plural import counted

if TYPE_CHECKING:
    from medcl.evaluation.saved_translator import SavedTranslator
    from medcl.study.cohort import Cohort

KIND = "translate"
"""Of the runs of `medcl translate train`."""

log = logging.getLogger("medcl")


def refuse_unusable(saved: SavedTranslator, folder: Path) -> None:
    """Refuse a generator that images of files cannot be prepared for.

    Raises:
        BadInput: its card contradicts itself, or asks for what this medcl does not do.
    """
    from medcl.imaging.roi import REGIONS
    from medcl.networks.generator import LEAST

    problems = []
    for side, recipe in (("source", saved.source), ("target", saved.target)):
        if recipe.key() != saved.card[side].get("recipe_key"):
            problems.append(
                f"the {side}'s recipe on its card is not the one it was trained with (the card was changed)"
            )
    channels = saved.card["architecture"].get("channels", 1)
    if channels != 1:
        problems.append(f"its generator takes {channels} channels, and a file holds one")
    recipe = saved.source
    if recipe.roi_kind not in REGIONS or (recipe.roi_kind == "run" and not (recipe.roi_run and recipe.roi_weights)):
        problems.append(f"its images were cut to the region '{recipe.roi}', which this medcl does not know")
    if recipe.slices is None:
        problems.append("its source's recipe makes volumes, and a generator takes slices")
    elif min(recipe.size[1:]) < LEAST:
        size = " ".join(map(str, recipe.size[1:]))
        problems.append(f"its source's slices of {size} pixels are too small for a generator ({LEAST} {LEAST} or more)")
    if problems:
        raise BadInput([f"{folder}: {problem}: train the run again, or choose another one." for problem in problems])


def source_modalities(saved: SavedTranslator) -> set[str]:
    """Modalities of the source that a run was trained on; none where its card does not tell all of them."""
    told = {str(each) for each in saved.card["source"].get("modalities") or ()}
    return set() if "" in told else told


def source_cases(cohort: Cohort, saved: SavedTranslator, run: str, own: bool) -> set[str]:
    """The images of a cohort that a run translates.

    In the run's own study they are those of its --source; images that are said to be of another modality than the
    source's are left out anywhere, which is logged.

    Args:
        cohort: of the study.
        saved: the run's generator.
        run: the run's name.
        own: whether it is a run of this study.

    Raises:
        BadInput: the cohort has none, or the filter does not fit it any more.
    """
    from medcl.study.image_filter import ImageFilter

    cases = set(cohort.cases())
    told, modalities = str(saved.card["source"].get("filter") or ""), source_modalities(saved)
    chosen = ImageFilter.parse(told, f"The run {run}: --source").cases(cohort) if told and own else set(cases)
    if modalities:
        known = zip(cohort.cases(), cohort.frame["modality"], strict=True)
        chosen -= {case for case, modality in known if modality and modality not in modalities}
    like = told or " or ".join(sorted(modalities)) or "its source"
    if not chosen:
        raise BadInput(
            f"The run {run} translates images like those of its source ({like}), and {cohort.file} has none: name "
            "image files, or choose another run."
        )
    if left := len(cases) - len(chosen):
        log.info(f"The run {run} translates images like its source ({like}): {counted(left, 'other image')} left out.")
    return chosen
