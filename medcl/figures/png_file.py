"""The bytes of a PNG file (ISO/IEC 15948): a byte a pixel, a grey or a place in a list of colours."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_BITS, _GREYSCALE, _INDEXED = 8, 0, 3


def png_file(pixels: NDArray[np.uint8], colours: bytes = b"") -> bytes:
    """The file of a picture.

    Rows are left as they are: of pictures with few greys or colours, the format's filters make no smaller ones.

    Args:
        pixels: (height, width); greys, 0 black and 255 white, or places in the colours.
        colours: three bytes each, red, green, blue; none for greys.
    """
    height, width = pixels.shape
    rows = np.zeros((height, width + 1), np.uint8)  # the first number of a row names its filter: none
    rows[:, 1:] = pixels
    header = struct.pack(">IIBBBBB", width, height, _BITS, _INDEXED if colours else _GREYSCALE, 0, 0, 0)
    listed = [_chunk(b"PLTE", colours)] if colours else []
    body = _chunk(b"IDAT", zlib.compress(rows.tobytes(), 9))
    return b"".join([SIGNATURE, _chunk(b"IHDR", header), *listed, body, _chunk(b"IEND", b"")])


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
