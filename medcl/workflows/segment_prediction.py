"""From image files to predicted label maps on the images' own grids, by a run of `medcl segment train`.

What `medcl segment apply` writes as files and `medcl preprocess --roi run:NAME` takes as a region. Images are prepared
by the run's own recipe, a step ahead of the network.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

import numpy as np

from medcl.study.errors import BadInput, RunFailed

if TYPE_CHECKING:
    from medcl.evaluation.saved_segmenter import SavedSegmenter
    from medcl.imaging.prepare import Prepared
    from medcl.imaging.source import Source
    from medcl.imaging.volume import Volume
    from medcl.imaging.worker import Job
    from medcl.study.cohort import Cohort

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class PredictedMask:
    """What became of an image.

    Attributes:
        job: its names and files.
        mask: label values on the image's canonical grid (uint8 or uint16); None when the image cannot be used.
        problems: why it cannot.
        content: hash of the image's canonical voxels, by which it is known under other names too.
        spacing: mm along z, y, x of what the network saw.
        cut: whether the region was larger than the network's images, so that a part of it was not seen.
    """

    job: Job
    mask: Volume | None
    problems: tuple[str, ...] = ()
    content: str = ""
    spacing: tuple[float, float, float] = (0.0, 0.0, 0.0)
    cut: bool = False

    @property
    def case(self) -> str:
        """The image's name."""
        return self.job.names["case"]


class FindsRegions(Protocol):
    """What finds the regions of interest that a run's images were cut to (`region_run.RegionRun`)."""

    def located(self, exams: Iterable[Sequence[Job]]) -> Iterator[list[Job]]:
        """Yield the exams, each source with what was found in its image."""
        ...


@dataclass(frozen=True)
class MaskPredictor:
    """Predicts masks with one network.

    Attributes:
        saved: the network and what belongs to it.
        decoder: the mean of both decoders, or one of them.
        batch_size: slices, or windows, at once.
        largest_component: keep the largest connected part of each class.
        modalities: that the run was trained on; images said to be of another are refused. Empty: all are taken.
        regions: finds the regions where the run's recipe is of what another run finds.
        out_of_memory: what helps then; options of `medcl segment apply` unless told.
    """

    saved: SavedSegmenter
    decoder: Literal["mean", "first", "second"] = "mean"
    batch_size: int = 8
    largest_component: bool = False
    modalities: Collection[str] = field(default=())
    regions: FindsRegions | None = None
    out_of_memory: str = ""

    def masks(self, exams: Iterable[Sequence[Job]]) -> Iterator[PredictedMask]:
        """Yield each image with its mask, or with what is wrong with it.

        Args:
            exams: images whose preparation depends on each other, together (`preprocess_jobs.by_exam`).

        Raises:
            RunFailed: memory ran out, or the network's probabilities are not finite.
        """
        located = exams if self.regions is None else self.regions.located(exams)
        for prepared in _ahead(self._prepare, located):
            while prepared:  # each is let go before the next one is predicted
                yield self._predicted(*prepared.popleft())

    def _prepare(self, exam: Sequence[Job]) -> deque[tuple[Job, _Ready | tuple[str, ...]]]:
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
                made = prepare_volumes(volumes, [job.source for job in exam], self.saved.recipe)
                ready = [_Ready(each, *grid) for each, grid in zip(made, grids, strict=True)]
                return deque(zip(exam, ready, strict=True))
            except BadInput as error:
                problems = problems_of(error, len(exam))
        first = next(job.names["case"] for job, found in zip(exam, problems, strict=True) if found)
        beside = f"cannot be segmented without {first}, of the same exam: correct that one."
        told = [found or (f"{job.source.image}: {beside}",) for job, found in zip(exam, problems, strict=True)]
        return deque(zip(exam, told, strict=True))

    def _with_what_counts(self, job: Job) -> Job:
        """Without a mask that the recipe does not look at: were it bad, the image would still be good."""
        return job if self.saved.recipe.roi == "mask" else replace(job, source=replace(job.source, mask=None))

    def _unfit(self, job: Job) -> Iterator[str]:
        modality, recipe = job.source.modality, self.saved.recipe
        if modality == "mr" and recipe.hu_window is not None:
            low, high = recipe.hu_window
            yield f"{job.source.image}: is MR, and the run was trained on Hounsfield units ({low:g} to {high:g}) of CT."
        elif modality and self.modalities and modality not in self.modalities:
            trained = " and ".join(sorted(self.modalities))
            yield f"{job.source.image}: is of modality {modality}, and the run was trained on {trained} alone."

    def _predicted(self, job: Job, ready: _Ready | tuple[str, ...]) -> PredictedMask:
        from medcl.evaluation.predict import predict
        from medcl.imaging.geometry import spacing_of
        from medcl.imaging.largest_component import largest_components
        from medcl.imaging.restore import restored_classes
        from medcl.imaging.volume import Volume
        from medcl.training.out_of_memory import is_out_of_memory

        if isinstance(ready, tuple):
            return PredictedMask(job, None, ready)
        made = ready.prepared
        try:
            soft = predict(
                self.saved.network,
                made.volume.astype(np.float32),
                decoder=self.decoder,
                batch_size=self.batch_size,
            )
            indices = restored_classes(soft, made.affine, ready.shape, ready.affine)
        except RunFailed as error:
            raise RunFailed([f"{job.names['case']}: {problem}" for problem in error.problems]) from error
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            helps = self.out_of_memory or f"lower --batch-size (now {self.batch_size}), or take --device cpu"
            raise RunFailed(f"Out of memory at {job.names['case']}: {helps}.") from error
        values = np.array([0, *(each.value for each in self.saved.classes)])
        labels = values.astype(np.uint8 if values.max() <= np.iinfo(np.uint8).max else np.uint16)[indices.voxels]
        if self.largest_component:
            labels = largest_components(labels)
        region = self.saved.recipe.size_for(made.region_shape)
        cut = any(n > most for n, most in zip(made.region_shape, region, strict=True))
        return PredictedMask(job, Volume(labels, ready.affine), (), made.content, spacing_of(made.affine), cut)


def cohort_exams(saved: SavedSegmenter, cohort: Cohort, cases: Collection[str] | None = None) -> list[list[Job]]:
    """The images of a cohort as jobs, those together that the run's recipe prepares together.

    Raises:
        BadInput: the cohort lacks what the recipe's region needs.
    """
    from medcl.workflows.preprocess_jobs import by_exam, cohort_jobs

    exams = by_exam(cohort_jobs(cohort, saved.recipe, None), cohort, saved.recipe)
    return [exam for exam in exams if cases is None or any(job.names["case"] in cases for job in exam)]


@dataclass(frozen=True, eq=False)
class _Ready:
    """An image as the network takes it, and the canonical grid that it came from."""

    prepared: Prepared
    shape: tuple[int, int, int]
    affine: np.ndarray[tuple[int, int], np.dtype[np.float64]]


def _decoded(source: Source) -> tuple[Volume, Volume | None]:
    from medcl.imaging.labels import decode_labels
    from medcl.imaging.prepare import decode_source

    image = decode_source(b"" if source.image.is_dir() else source.image_bytes(), source.image)
    content = source.mask_bytes()
    labels = decode_labels(content, source.mask, image) if content is not None and source.mask else None
    return image, labels


def _ahead(step: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yield the step's result of every item; a thread works on the next one meanwhile, and on no more than that."""
    pool = ThreadPoolExecutor(1)
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(step, item))
            if len(waiting) > 1:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
