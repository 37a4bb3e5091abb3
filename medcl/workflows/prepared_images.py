"""From image files to what a network takes, by the recipe of its run, a step ahead of the network.

Where the images come from does not matter: rows of a cohort, or files (`segment_files`). What a network makes of them
goes back onto the grids that are noted here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

import numpy as np

from medcl.study.errors import BadInput, RunFailed
from medcl.workflows.ahead import ahead

if TYPE_CHECKING:
    from medcl.imaging.prepare import Prepared
    from medcl.imaging.recipe import Recipe
    from medcl.imaging.source import Source
    from medcl.imaging.volume import Volume
    from medcl.imaging.worker import Job
    from medcl.study.cohort import Cohort


class FindsRegions(Protocol):
    """What finds the regions of interest that a run's images were cut to (`region_run.RegionRun`)."""

    def located(self, exams: Iterable[Sequence[Job]]) -> Iterator[list[Job]]:
        """Yield the exams, each source with what was found in its image."""
        ...


@dataclass(frozen=True, eq=False)
class ReadyImage:
    """An image as the network takes it, and the canonical grid that it came from."""

    prepared: Prepared
    shape: tuple[int, int, int]
    affine: np.ndarray[tuple[int, int], np.dtype[np.float64]]

    def is_cut(self, recipe: Recipe) -> bool:
        """Whether the region was larger than the network's images, so that a part of it is not seen."""
        region = self.prepared.region_shape
        return any(n > most for n, most in zip(region, recipe.size_for(region), strict=True))


@dataclass(frozen=True)
class ImagePreparer:
    """Prepares images as those were that a run was trained on.

    Attributes:
        recipe: of the run.
        modalities: that it was trained on; images said to be of another are refused. Empty: all are taken.
        regions: finds the regions where the recipe is of what another run finds.
        done: what is done to the images, for messages: "segmented".
    """

    recipe: Recipe
    modalities: Collection[str] = field(default=())
    regions: FindsRegions | None = None
    done: str = "segmented"

    def images(self, exams: Iterable[Sequence[Job]]) -> Iterator[tuple[Job, ReadyImage | tuple[str, ...]]]:
        """Yield each image as the network takes it, or what is wrong with it.

        Args:
            exams: images whose preparation depends on each other, together (`preprocess_jobs.by_exam`).
        """
        located = exams if self.regions is None else self.regions.located(exams)
        for prepared in ahead(self._prepare, located):
            while prepared:  # each is let go before the next one is asked for
                yield prepared.popleft()

    def _prepare(self, exam: Sequence[Job]) -> deque[tuple[Job, ReadyImage | tuple[str, ...]]]:
        """Each image as the network takes it, or its problems; none of an exam when one is bad, as in preprocessing."""
        from medcl.imaging.prepare import prepare_volumes
        from medcl.imaging.worker import attempt, problems_of

        exam = [self._with_what_counts(job) for job in exam]
        problems = [tuple(self._unfit(job)) for job in exam]
        if not any(problems):
            decoded = [attempt(partial(_decoded, job.source)) for job in exam]
            problems = [found for _, found in decoded]
        if not any(problems):
            volumes = [each for each, _ in decoded if each is not None]
            grids = [(image.shape, image.affine) for image, _ in volumes]
            try:
                made = prepare_volumes(volumes, [job.source for job in exam], self.recipe)
                ready = [ReadyImage(each, *grid) for each, grid in zip(made, grids, strict=True)]
                return deque(zip(exam, ready, strict=True))
            except BadInput as error:
                problems = problems_of(error, len(exam))
        first = next(job.names["case"] for job, found in zip(exam, problems, strict=True) if found)
        beside = f"cannot be {self.done} without {first}, of the same exam: correct that one."
        told = [found or (f"{job.source.image}: {beside}",) for job, found in zip(exam, problems, strict=True)]
        return deque(zip(exam, told, strict=True))

    def _with_what_counts(self, job: Job) -> Job:
        """Without a mask that the recipe does not look at: were it bad, the image would still be good."""
        return job if self.recipe.roi == "mask" else replace(job, source=replace(job.source, mask=None))

    def _unfit(self, job: Job) -> Iterator[str]:
        modality = job.source.modality
        if modality == "mr" and self.recipe.hu_window is not None:
            low, high = self.recipe.hu_window
            yield f"{job.source.image}: is MR, and the run was trained on Hounsfield units ({low:g} to {high:g}) of CT."
        elif modality and self.modalities and modality not in self.modalities:
            trained = " and ".join(sorted(self.modalities))
            yield f"{job.source.image}: is of modality {modality}, and the run was trained on {trained} alone."


def exams_of(recipe: Recipe, cohort: Cohort, cases: Collection[str] | None = None) -> list[list[Job]]:
    """The images of a cohort as jobs, those together that a recipe prepares together.

    Raises:
        BadInput: the cohort lacks what the recipe's region needs.
    """
    from medcl.workflows.preprocess_jobs import by_exam, cohort_jobs

    exams = by_exam(cohort_jobs(cohort, recipe, None), cohort, recipe)
    return [exam for exam in exams if cases is None or any(job.names["case"] in cases for job in exam)]


@contextmanager
def told_with_case(case: str, out_of_memory: str) -> Iterator[None]:
    """Name the image in what goes wrong while a network works on it.

    Args:
        case: its name.
        out_of_memory: what helps when memory is short.

    Raises:
        RunFailed: memory ran out, or what is raised inside.
    """
    from medcl.training.out_of_memory import is_out_of_memory

    try:
        yield
    except RunFailed as error:
        raise RunFailed([f"{case}: {problem}" for problem in error.problems]) from error
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise RunFailed(f"Out of memory at {case}: {out_of_memory}.") from error


def _decoded(source: Source) -> tuple[Volume, Volume | None]:
    from medcl.imaging.labels import decode_labels
    from medcl.imaging.prepare import decode_source

    image = decode_source(b"" if source.image.is_dir() else source.image_bytes(), source.image)
    content = source.mask_bytes()
    labels = decode_labels(content, source.mask, image) if content is not None and source.mask else None
    return image, labels
