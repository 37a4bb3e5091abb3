"""Regions of interest that a run with a segmenter finds: `medcl preprocess --roi run:NAME`.

The run predicts a mask of each image from its original file; the box around it goes to imaging, which knows nothing of
networks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from medcl.study.errors import BadInput
from medcl.study.files import read_json
from medcl.study.folder import Study
from medcl.study.plural import counted
from medcl.study.runs import Run, read_run
from medcl.workflows.known_patients import KnownPatients
from medcl.workflows.segment_files import needed_beside
from medcl.workflows.segment_prediction import MaskPredictor, PredictedMask
from medcl.workflows.segment_remarks import Remarks
from medcl.workflows.segment_run import refuse_unusable, segmenting_run, trained_modalities
from medcl.workflows.target_images import knows_patients

if TYPE_CHECKING:
    import torch

    from medcl.evaluation.saved_segmenter import SavedSegmenter
    from medcl.evaluation.saved_translator import SavedTranslator
    from medcl.imaging.found_region import FoundRegion
    from medcl.imaging.recipe import Recipe
    from medcl.imaging.stored_volume import StoredVolume
    from medcl.imaging.worker import Job

OPTION = "--roi run:"
WEIGHTS_DIGITS = 16
"""Of the weights' SHA-256 that stand in a recipe."""

_NOBODY = KnownPatients({}, {})


@dataclass(frozen=True)
class RegionRun:
    """A run whose predictions are regions of interest.

    Attributes:
        run: the run.
        predictor: with its network.
        known: who is on which side of its split.
        noted: what is odd about the images that it looked at.
    """

    run: Run
    predictor: MaskPredictor
    known: KnownPatients
    noted: Remarks

    def recipe(self, recipe: Recipe) -> Recipe:
        """The recipe with this run's name and weights."""
        return replace(recipe, roi=f"run:{self.run.name}", roi_weights=weights_of(self.predictor.saved))

    def located(self, exams: Iterable[Sequence[Job]]) -> Iterator[list[Job]]:
        """Yield the exams in their order, each source with what was found in its image, as they are asked for.

        Raises:
            RunFailed: memory ran out, or the network's probabilities are not finite.
        """
        waiting: deque[Sequence[Job]] = deque()

        def images() -> Iterator[list[Job]]:
            for exam in exams:
                waiting.append(exam)
                yield from ([replace(job, source=replace(job.source, mask=None, found=None))] for job in exam)

        done: list[Job] = []
        for mask in self.predictor.masks(images()):
            job = waiting[0][len(done)]
            done.append(replace(job, source=replace(job.source, found=self._found(mask))))
            if len(done) == len(waiting[0]):
                waiting.popleft()
                yield done
                done = []

    def _found(self, mask: PredictedMask) -> FoundRegion:
        from medcl.imaging.found_region import FoundRegion, found_region

        if mask.mask is None:
            image = f"{mask.job.source.image}: "
            told = (problem.removeprefix(image) for problem in mask.problems)
            return FoundRegion(
                problems=tuple(f"{image}the run {self.run.name} cannot find its region: {each}" for each in told)
            )
        found = found_region(mask.mask)
        if found.corners:  # an image without any is refused, which tells enough
            self.noted.add(mask, _NOBODY)
        return found

    def remarks(self) -> list[str]:
        """What the user should know about the images that were looked at."""
        return [f"Regions by the run {self.run.name}: {sentence}" for sentence in self.noted.sentences()]

    def seen_patients(self, entries: Sequence[StoredVolume]) -> list[str]:
        """Whose regions come from a network that learned from the same patients; nothing where there are none."""
        sides = [self.known.split_of(entry.patient, entry.content) for entry in entries]
        train, val = sides.count("train"), sides.count("val")
        if not train + val:
            return []
        chosen = f" and {val} of patients who chose its best epoch" if val else ""
        return [
            f"Regions by the run {self.run.name}: {train} of {counted(len(entries), 'image')} are of patients whom it "
            f"was trained on{chosen}. Their regions may fit better than those of others: keep these patients on the "
            "training side of later runs too (column split of cohort.csv)."
        ]


def open_region_run(study: Study, name: str, device: torch.device) -> RegionRun:
    """The run that `--roi run:NAME` names.

    Args:
        study: the study that is preprocessed.
        name: in its runs/, or a run folder.
        device: where the network runs.

    Raises:
        BadInput: there is no such run, it is not finished, is of another kind, has no segmenter, or needs a region to
            be told.
    """
    return _opened(segmenting_run(study, name, OPTION), study, device)


def region_run_of(
    saved: SavedSegmenter | SavedTranslator, folder: Path, study: Study | None, device: torch.device
) -> RegionRun | None:
    """The run that finds the regions which another run's images were cut to; None where its recipe asks for none.

    It is known by its weights, whatever its name is by now, and is looked for beside the other run and in the study.

    Args:
        saved, folder: the other run.
        study: that it is applied in, if any.
        device: where the network runs.

    Raises:
        BadInput: no run with these weights is there, or it cannot be used.
    """
    name, weights = saved.recipe.roi_run, saved.recipe.roi_weights
    if name is None or not weights:
        return None
    places = dict.fromkeys([folder.absolute().parent, *([study.runs.absolute()] if study else [])])
    named = [place / name for place in places]
    others = [other for place in places for other in sorted(place.glob("*/"))]
    for candidate in (*named, *others):
        if _weights_on_card(candidate).startswith(weights):
            return _opened(read_run(candidate), study, device)
    there = next((f" (that of {path} has others)" for path in named if _weights_on_card(path)), "")
    raise BadInput(
        f"{folder}: its images were cut to what the run {name} finds, whose weights {weights} are in no run of "
        f"{' or '.join(map(str, places))}{there}: copy that run's folder there, or train this run again."
    )


def weights_of(saved: SavedSegmenter) -> str:
    """The digits of the weights' SHA-256 that a recipe holds."""
    return str(saved.card["weights_sha256"])[:WEIGHTS_DIGITS]  # loading compared it with the weights


def _opened(run: Run, study: Study | None, device: torch.device) -> RegionRun:
    from medcl.evaluation.saved_segmenter import load_segmenter

    saved = load_segmenter(run.path, device)
    refuse_unusable(saved, run.path)
    if needs := needed_beside(saved.recipe):
        raise BadInput(
            f"{OPTION}{run.name}: the images of that run were prepared with {needs}, so it cannot find a region by "
            "the image alone: train one on whole images (`medcl preprocess --roi whole`)."
        )
    predictor = MaskPredictor(
        saved,
        modalities=trained_modalities(saved, run.path),
        regions=region_run_of(saved, run.path, study, device),
        out_of_memory="take --device cpu",
    )
    known = KnownPatients.of(run, knows_patients(run, study))
    return RegionRun(run, predictor, known, Remarks(saved.card, flat=saved.size[0] == 1))


def _weights_on_card(folder: Path) -> str:
    from medcl.evaluation.saved_segmenter import STEM

    with suppress(BadInput, AttributeError):  # none, or a torn card of some other run
        card = read_json(folder / f"{STEM}.json")
        weights = str(card.get("weights_sha256", ""))
        of_region = (card.get("recipe") or {}).get("roi_weights")
        # a card that was made up could name its own weights, and the search for its region would never end
        return "" if of_region and weights.startswith(of_region) else weights
    return ""
