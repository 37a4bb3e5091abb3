"""What stands for a DICOM folder's content where a NIfTI file's bytes would: a hash of every file in it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from medcl.imaging.dicom.walk import walk
from medcl.study.errors import BadInput


def folder_bytes(folder: Path) -> bytes:
    """Hashes of all files of a folder, in the order of their names; changes when any of them does.

    Raises:
        BadInput: a file cannot be read.
    """
    digests = []
    for file in walk(folder):
        if isinstance(file, Path):
            try:
                with file.open("rb") as content:
                    digests.append(hashlib.file_digest(content, "sha256").digest())
            except OSError as error:
                raise BadInput(f"{file}: cannot be read ({error.strerror}).") from error
    return b"".join(digests)
