"""Keeps files of the deflated transfer syntax from swelling without end (a "zip bomb")."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import BinaryIO

from pydicom.filereader import read_file_meta_info

DEFLATED = "1.2.840.10008.1.2.1.99"
LARGEST_INFLATED_BYTES = 1 << 30
"""A deflated file may become so large (1 GiB) and no larger: pydicom inflates it in memory as a whole."""

_CHUNK = 1 << 20
_META_START = 128 + 4 + 12  # preamble, "DICM" and the element that tells how long the file meta information is


def inflated_size_is_safe(path: Path) -> bool:
    """Whether a deflated file stays below LARGEST_INFLATED_BYTES; holds a few MiB at a time."""
    with path.open("rb") as file:
        file.seek(_META_START + int(read_file_meta_info(path).FileMetaInformationGroupLength))
        return _inflated_size_is_safe(file)


def _inflated_size_is_safe(file: BinaryIO) -> bool:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    total = 0
    while chunk := file.read(_CHUNK):
        while chunk:
            total += len(inflater.decompress(chunk, _CHUNK))
            if total > LARGEST_INFLATED_BYTES:
                return False
            chunk = inflater.unconsumed_tail
    return True
