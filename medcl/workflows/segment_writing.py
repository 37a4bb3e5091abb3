"""Writes predicted masks beside the prediction of the next ones: as NIfTI on the file's own grid, and as DICOM SEG."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from medcl.study.errors import BadInput
from medcl.study.label_classes import LabelClass
from medcl.workflows.pool import behind
from medcl.workflows.segment_folder import mask_folder

if TYPE_CHECKING:
    from medcl.imaging.volume import Volume
    from medcl.imaging.worker import Job
    from medcl.workflows.segment_prediction import PredictedMask


@dataclass
class MaskWriter:
    """Writes the masks of one call.

    Attributes:
        folder: where to.
        classes: for the SEG files.
        run: its name, for the SEG files.
        dicom_seg: whether those are written for images that are DICOM folders.
        without_seg: why not, by case; their NIfTI masks are there.
    """

    folder: Path
    classes: Sequence[LabelClass]
    run: str
    dicom_seg: bool
    without_seg: dict[str, str] = field(default_factory=dict, init=False)

    @property
    def makes(self) -> tuple[Callable[[str], Path], ...]:
        """Every kind of file that a case may get."""
        return (self.target, self.seg_target) if self.dicom_seg else (self.target,)

    def target(self, case: str) -> Path:
        """The mask's file."""
        return self.folder / f"{case}.nii.gz"

    def seg_target(self, case: str) -> Path:
        """The DICOM SEG's file."""
        return self.folder / f"{case}.dcm"

    def refuse_inputs(self, jobs: Iterable[Job], others: Iterable[Path]) -> None:
        """Never write over a file that is read, --overwrite or not.

        Args:
            jobs: the images.
            others: files of the study that must stay, as its masks.

        Raises:
            BadInput: naming every file that would be lost.
        """
        jobs = list(jobs)
        targets = [make(job.names["case"]) for job in jobs for make in (self.target, self.seg_target)]
        mask_folder(self.folder).refuse_inputs(jobs, others, targets)

    def written(self, masks: Iterable[PredictedMask], threads: int) -> Iterator[tuple[PredictedMask, tuple[str, ...]]]:
        """Yield each mask once its files are there, or with the problems of the image.

        Raises:
            RunFailed: the disk is full or cannot be written to.
        """
        faults: dict[str, tuple[str, ...]] = {}

        def finish(mask: PredictedMask) -> None:
            try:
                if mask.mask is not None:
                    self._write(mask.case, mask.mask, mask.job.source.image)
            except BadInput as error:  # the file changed or went away since it was read
                faults[mask.case] = tuple(error.problems)

        for mask in behind(finish, masks, threads):
            problems = (*mask.problems, *faults.pop(mask.case, ()))
            yield mask, problems

    def _write(self, case: str, mask: Volume, image: Path) -> None:
        from medcl.imaging.nifti import write_nifti
        from medcl.imaging.restore import restored_labels
        from medcl.imaging.write_nifti import NiftiGrid, write_labels

        if image.is_dir():  # a series has no NIfTI header to follow: the canonical grid, as `preprocess --from` writes
            write_nifti(self.target(case), mask, mask.voxels.dtype, note="medcl segmentation")
            if self.dicom_seg:
                from medcl.imaging.dicom_seg import write_seg

                try:
                    write_seg(self.seg_target(case), mask, image, self.classes, self.run)
                except BadInput as error:
                    self.without_seg[case] = str(error)
            return
        grid = NiftiGrid.read(image)
        write_labels(self.target(case), restored_labels(mask, grid.shape, grid.affine), grid)
