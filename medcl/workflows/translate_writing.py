"""Writes translations beside the making of the next ones, as NIfTI on the file's own grid."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medcl.study.errors import BadInput
from medcl.study.translations import CARD, TABLE, read_translations
from medcl.workflows.output_folder import OutputFolder
from medcl.workflows.pool import behind

if TYPE_CHECKING:
    from medcl.imaging.geometry import Affine, Triple
    from medcl.imaging.scale import Scale
    from medcl.imaging.volume import Volume
    from medcl.workflows.translate_prediction import TranslatedImage


@dataclass(frozen=True)
class TranslationWriter:
    """Writes the translations of one call.

    Attributes:
        folder: where to.
        scale: of their intensities; its lowest stands where the generator did not look.
    """

    folder: Path
    scale: Scale

    @property
    def output(self) -> OutputFolder:
        """The folder with whose files may go."""
        return OutputFolder(self.folder, "translations", "medcl translate apply", CARD, TABLE, (), _written)

    def target(self, case: str) -> Path:
        """The translation's file."""
        return self.folder / f"{case}.nii.gz"

    def written(
        self, images: Iterable[TranslatedImage], threads: int
    ) -> Iterator[tuple[TranslatedImage, tuple[str, ...]]]:
        """Yield each image once its file is there, or with its problems.

        Raises:
            RunFailed: the disk is full or cannot be written to.
        """
        faults: dict[str, tuple[str, ...]] = {}

        def finish(image: TranslatedImage) -> None:
            try:
                if image.translation is not None:
                    self._write(image, image.translation)
            except BadInput as error:  # the file changed or went away since it was read
                faults[image.case] = tuple(error.problems)

        for image in behind(finish, images, threads):
            yield image, (*image.problems, *faults.pop(image.case, ()))

    def _write(self, image: TranslatedImage, translation: Volume) -> None:
        from medcl.imaging.nifti import write_nifti
        from medcl.imaging.write_nifti import NiftiGrid, write_values

        file, note = image.job.source.image, f"medcl translation, {self.scale.unit}"
        if file.is_dir():  # a series has no NIfTI header to follow: the canonical grid, as of masks
            write_nifti(self.target(image.case), self._on(translation, image.shape, image.affine), note=note)
            return
        grid = NiftiGrid.read(file)
        write_values(self.target(image.case), self._on(translation, grid.shape, grid.affine), grid, note)

    def _on(self, translation: Volume, shape: Triple, affine: Affine) -> Volume:
        from medcl.imaging.restore_values import restored_values

        return restored_values(translation.voxels, translation.affine, shape, affine, self.scale.low)


def _written(folder: Path) -> set[str]:
    return {row.translation.name for row in read_translations(folder)[0] if row.translation.parent == folder}
