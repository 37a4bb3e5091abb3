"""From image files to their translations, by a run of `medcl translate train`.

Images are prepared by the recipe of the run's source, a step ahead of the generator. What comes out stays on the grid
of what the generator saw; it is brought to a file's own grid where it is written, once, so that nothing is interpolated
twice.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import starmap
from typing import TYPE_CHECKING

import numpy as np

from medcl.workflows.prepared_images import FindsRegions, ImagePreparer, ReadyImage, told_with_case

if TYPE_CHECKING:
    from medcl.evaluation.saved_translator import SavedTranslator
    from medcl.imaging.geometry import Affine
    from medcl.imaging.volume import Volume
    from medcl.imaging.worker import Job


@dataclass(frozen=True, eq=False)
class TranslatedImage:
    """What became of an image.

    Attributes:
        job: its names and files.
        translation: (Z, Y, X) float32 in the target's unit on the grid that the generator saw, without padding; None
            when the image cannot be used.
        problems: why it cannot.
        shape, affine: (z, y, x) and affine of the image's canonical grid.
        content: hash of the image's canonical voxels, by which it is known under other names too.
        cut: whether the region was larger than the generator's slices, so that a part of it was not seen.
        mutual_information, chance: of source and translation, in bits (`evaluation.hallucination`).
        slice_steps: of the translation beside the source (`evaluation.slice_steps`).
    """

    job: Job
    translation: Volume | None
    problems: tuple[str, ...] = ()
    shape: tuple[int, int, int] = (0, 0, 0)
    affine: Affine = field(default_factory=lambda: np.eye(4))
    content: str = ""
    cut: bool = False
    mutual_information: float = 0.0
    chance: float | None = None
    slice_steps: float | None = None

    @property
    def case(self) -> str:
        """The image's name."""
        return self.job.names["case"]

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distance of the voxels that the generator saw along z, y, x in mm."""
        return (0.0, 0.0, 0.0) if self.translation is None else self.translation.spacing


@dataclass(frozen=True)
class ImageTranslator:
    """Translates images with one generator.

    Attributes:
        saved: the generator and what belongs to it.
        batch_size: slices at once.
        smooth: slices over which the norms' statistics are smoothed (`evaluation.translate_volume`).
        modalities: of the source; images said to be of another are refused. Empty: all are taken.
        regions: finds the regions where the source's recipe is of what another run finds.
    """

    saved: SavedTranslator
    batch_size: int = 8
    smooth: float = 0.0
    modalities: Collection[str] = field(default=())
    regions: FindsRegions | None = None

    def images(self, exams: Iterable[Sequence[Job]]) -> Iterator[TranslatedImage]:
        """Each image with its translation, or with what is wrong with it, one after the other.

        Args:
            exams: images whose preparation depends on each other, together (`preprocess_jobs.by_exam`).

        Raises:
            RunFailed: memory ran out, or a translation is not finite.
        """
        preparer = ImagePreparer(self.saved.source, self.modalities, self.regions, "translated")
        return starmap(self._translated, preparer.images(exams))  # which keeps no image while it waits for the next

    def _translated(self, job: Job, ready: ReadyImage | tuple[str, ...]) -> TranslatedImage:
        from medcl.evaluation.hallucination import hallucination
        from medcl.evaluation.slice_steps import slice_steps
        from medcl.evaluation.translate_volume import translate_volume
        from medcl.imaging.geometry import shifted
        from medcl.imaging.scale import Scale
        from medcl.imaging.volume import Volume

        if isinstance(ready, tuple):
            return TranslatedImage(job, None, ready)
        made, filled = ready.prepared, ready.prepared.filled
        source = made.volume.astype(np.float32)
        with told_with_case(job.names["case"], f"lower --batch-size (now {self.batch_size}), or take --device cpu"):
            translated = translate_volume(self.saved.network, source, self.batch_size, self.smooth)
        source, translated = source[filled], translated[filled]  # what padding became is no part of the image
        kept = hallucination(source, translated)
        affine = shifted(made.affine, [part.start for part in filled])
        return TranslatedImage(
            job,
            Volume(Scale.of(self.saved.target).intensities(translated), affine),
            shape=ready.shape,
            affine=ready.affine,
            content=made.content,
            cut=ready.is_cut(self.saved.source),
            mutual_information=kept.mutual_information,
            chance=kept.chance,
            slice_steps=slice_steps(source, translated),
        )
