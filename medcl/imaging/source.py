"""What an image is prepared from: its files as they lie on the disk, and the point that the cohort tells."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from medcl.imaging.nifti import read_bytes
from medcl.imaging.recipe import Recipe


@dataclass(frozen=True)
class Source:
    """One row of the cohort, as far as preprocessing needs it.

    Attributes:
        image: NIfTI file.
        mask: label map on the same grid, or None.
        centre: (x, y, z) in RAS mm, or None.
    """

    image: Path
    mask: Path | None = None
    centre: tuple[float, float, float] | None = None

    def read(self) -> Contents:
        """Read the files.

        Raises:
            BadInput: one of them cannot be read.
        """
        return Contents(self, read_bytes(self.image), read_bytes(self.mask) if self.mask else None)


@dataclass(frozen=True)
class Contents:
    """The bytes of a source's files."""

    source: Source
    image: bytes
    mask: bytes | None

    def key(self, recipe: Recipe) -> str:
        """Short hash of everything that decides what is stored: bytes, centre and recipe. Needs no decompression."""
        centre = self.source.centre if recipe.roi == "centre" else None
        parts = [self.image, self.mask or b"", repr(centre).encode(), recipe.key().encode()]
        digests = b"".join(hashlib.sha256(part).digest() for part in parts)
        return hashlib.sha256(digests).hexdigest()[:32]
