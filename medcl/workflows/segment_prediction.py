"""From image files to predicted label maps on the images' own grids, by a run of `medcl segment train`.

What `medcl segment apply` writes as files and `medcl preprocess --roi run:NAME` takes as a region. Images are prepared
by the run's own recipe, a step ahead of the network.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import starmap
from typing import TYPE_CHECKING, Literal

import numpy as np

from medcl.workflows.prepared_images import FindsRegions, ImagePreparer, ReadyImage, exams_of, told_with_case

if TYPE_CHECKING:
    from medcl.evaluation.saved_segmenter import SavedSegmenter
    from medcl.imaging.volume import Volume
    from medcl.imaging.worker import Job
    from medcl.study.cohort import Cohort


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
        """Each image with its mask, or with what is wrong with it, one after the other.

        Args:
            exams: images whose preparation depends on each other, together (`preprocess_jobs.by_exam`).

        Raises:
            RunFailed: memory ran out, or the network's probabilities are not finite.
        """
        preparer = ImagePreparer(self.saved.recipe, self.modalities, self.regions)
        return starmap(self._predicted, preparer.images(exams))  # which keeps no image while it waits for the next

    def _predicted(self, job: Job, ready: ReadyImage | tuple[str, ...]) -> PredictedMask:
        from medcl.evaluation.predict import predict
        from medcl.imaging.geometry import spacing_of
        from medcl.imaging.largest_component import largest_components
        from medcl.imaging.restore import restored_classes
        from medcl.imaging.volume import Volume

        if isinstance(ready, tuple):
            return PredictedMask(job, None, ready)
        made = ready.prepared
        helps = self.out_of_memory or f"lower --batch-size (now {self.batch_size}), or take --device cpu"
        with told_with_case(job.names["case"], helps):
            soft = predict(
                self.saved.network,
                made.volume.astype(np.float32),
                decoder=self.decoder,
                batch_size=self.batch_size,
            )
            indices = restored_classes(soft, made.affine, ready.shape, ready.affine)
        values = np.array([0, *(each.value for each in self.saved.classes)])
        labels = values.astype(np.uint8 if values.max() <= np.iinfo(np.uint8).max else np.uint16)[indices.voxels]
        if self.largest_component:
            labels = largest_components(labels)
        cut = ready.is_cut(self.saved.recipe)
        return PredictedMask(job, Volume(labels, ready.affine), (), made.content, spacing_of(made.affine), cut)


def cohort_exams(saved: SavedSegmenter, cohort: Cohort, cases: Collection[str] | None = None) -> list[list[Job]]:
    """The images of a cohort as jobs, those together that the run's recipe prepares together.

    Raises:
        BadInput: the cohort lacks what the recipe's region needs.
    """
    return exams_of(saved.recipe, cohort, cases)
