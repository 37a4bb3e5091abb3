"""Which images of a study a translation's segmenter is for: those that look like its target."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medcl.study.errors import BadInput
from medcl.study.folder import Study
from medcl.study.plural import counted
from medcl.study.runs import Run

if TYPE_CHECKING:
    from medcl.evaluation.saved_segmenter import SavedSegmenter
    from medcl.study.cohort import Cohort

log = logging.getLogger("medcl")


def knows_patients(run: Run, study: Study | None) -> bool:
    """Whether the patients of a run's split are those of the study: it is one of its runs, or their images its target.

    Args:
        run: of any kind.
        study: that it is applied in; None outside of a study.
    """
    if study is None:
        return False
    return run.path.parent.resolve() == study.runs.resolve() or _target_study(run) == study.root.resolve()


def target_cases(
    cohort: Cohort, study: Study, run: Run, saved: SavedSegmenter, modalities: Collection[str]
) -> set[str]:
    """The images of a cohort that a run's segmenter is for; all of them where it was not trained across two domains.

    In the study of its target they are those of its --target. Images that are said to be of another modality than the
    target's are left out anywhere, which is logged.

    Args:
        cohort: of the study.
        study: that the run is applied in.
        run, saved: the run and its network.
        modalities: of the target; empty where they are not known.

    Raises:
        BadInput: the target's images are in another study, or none of the cohort's images are of the target.
    """
    cases = set(cohort.cases())
    target = _target(run, saved)
    if target is None:
        return cases
    _refuse_source_study(run, study)
    chosen = set(cases)
    if target.get("filter") and knows_patients(run, study):
        from medcl.study.image_filter import ImageFilter

        chosen = ImageFilter.parse(str(target["filter"]), f"{run.path}: its --target").cases(cohort)
    if modalities:
        known = zip(cohort.cases(), cohort.frame["modality"], strict=True)
        chosen -= {case for case, modality in known if modality and modality not in modalities}
    like = str(target.get("filter") or " or ".join(sorted(modalities)) or "its target")
    if not chosen:
        raise BadInput(
            f"The run {run.name} segments images like those of its target ({like}), and {cohort.file} has none: name "
            "image files, or choose another run."
        )
    if left := len(cases) - len(chosen):
        log.info(f"The run {run.name} is for images like its target ({like}): {counted(left, 'other image')} left out.")
    return chosen


def _target(run: Run, saved: SavedSegmenter) -> Mapping[str, Any] | None:
    """What the segmenter's card tells of the target or, of a joint run, the generator's; None where there is none."""
    from medcl.evaluation.saved_translator import STEM
    from medcl.training.export import read_encoder_card

    told = saved.card.get("target")
    if told is None and run.kind == "translate":
        told = read_encoder_card(run.path, STEM).get("target")
    return told if isinstance(told, dict) else None


def _refuse_source_study(run: Run, study: Study) -> None:
    """Refuse to look for target images among those of the source's study."""
    other = _target_study(run)
    if other is not None and other != study.root.resolve() and run.path.parent.resolve() == study.runs.resolve():
        raise BadInput(
            f"The run {run.name} segments images like those of its target, the study {other}: segment them with "
            f"--study {other} --run {run.path}, or name image files."
        )


def _target_study(run: Run) -> Path | None:
    options = run.record.get("options")
    told = options.get("target_study") if isinstance(options, dict) else None
    return Path(told).resolve() if told else None
