"""What an image is prepared from: its files as they lie on the disk, and the point that the cohort tells."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medcl.imaging.dicom.folder_bytes import folder_bytes
from medcl.imaging.found_region import FoundRegion
from medcl.imaging.nifti import read_bytes
from medcl.imaging.recipe import Recipe


@dataclass(frozen=True)
class Source:
    """One row of the cohort, as far as preprocessing needs it.

    Attributes:
        image: NIfTI file, or a folder that holds one DICOM image.
        mask: label map on the same grid, or None.
        centre: (x, y, z) in RAS mm, or None.
        modality: "ct", "mr", ... or "".
        found: what was found in the image, for a region "run:NAME"; None before it was looked for. It follows from
            the image and the recipe, so that no key holds it.
    """

    image: Path
    mask: Path | None = None
    centre: tuple[float, float, float] | None = None
    modality: str = ""
    found: FoundRegion | None = None

    def read(self) -> Contents:
        """Read the files.

        Raises:
            BadInput: one of them cannot be read.
        """
        return Contents(self, self.image_bytes(), self.mask_bytes())

    def image_bytes(self) -> bytes:
        """The image's file, or what stands for a DICOM folder; raises as `read`."""
        return folder_bytes(self.image) if self.image.is_dir() else read_bytes(self.image)

    def mask_bytes(self) -> bytes | None:
        """The mask's file, None without; raises as `read`."""
        return read_bytes(self.mask) if self.mask else None


@dataclass(frozen=True)
class Contents:
    """The bytes of a source's files; of a DICOM folder hashes that stand for them."""

    source: Source
    image: bytes
    mask: bytes | None

    def key(self, recipe: Recipe, exam: Sequence[Contents] = ()) -> str:
        """Short hash of everything that decides what is stored: bytes, centre and recipe. Needs no decompression.

        Args:
            recipe: what is done.
            exam: all images of the exam, this one too, where the recipe needs them.
        """
        centre = self.source.centre if recipe.roi == "centre" else None
        parts = [self.image, self.mask or b"", repr(centre).encode(), recipe.key().encode()]
        if recipe.needs_exam:
            for other in exam:
                parts += [other.image, other.mask or b""]
        digests = b"".join(hashlib.sha256(part).digest() for part in parts)
        return hashlib.sha256(digests).hexdigest()[:32]
