"""Pictures of few colours as PNG: a byte a pixel, which names a colour of a list."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_BITS, _INDEXED = 8, 3
MOST_COLOURS = 256


def indexed_png(pixels: NDArray[np.uint8], palette: Sequence[str]) -> bytes:
    """The bytes of a PNG file (ISO/IEC 15948).

    Args:
        pixels: (height, width) places in the palette.
        palette: colours as `#rrggbb`, 1 to 256.

    Raises:
        ValueError: the palette has too many colours, or too few for the pixels.
    """
    if not int(pixels.max()) < len(palette) <= MOST_COLOURS:
        raise ValueError(f"a palette of {len(palette)} colours for pixels up to {int(pixels.max())}.")
    height, width = pixels.shape
    rows = np.zeros((height, width + 1), np.uint8)  # the first number of a row names its filter: none
    rows[:, 1:] = pixels
    header = struct.pack(">IIBBBBB", width, height, _BITS, _INDEXED, 0, 0, 0)
    colours = b"".join(bytes.fromhex(colour.removeprefix("#")) for colour in palette)
    chunks = ((b"IHDR", header), (b"PLTE", colours), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b""))
    return _SIGNATURE + b"".join(_chunk(kind, content) for kind, content in chunks)


def png_size(content: bytes) -> tuple[int, int]:
    """Width and height of a PNG file in pixels.

    Raises:
        ValueError: the bytes are no PNG file.
    """
    if len(content) < 24 or not content.startswith(_SIGNATURE):
        raise ValueError("no PNG file.")
    width, height = struct.unpack(">II", content[16:24])
    return int(width), int(height)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
