"""Small greyscale pictures as PNG, in a page."""

from __future__ import annotations

import base64
import struct
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREYSCALE, _BITS = 0, 8


@dataclass(frozen=True)
class Picture:
    """A picture that stands in a page.

    Attributes:
        uri: data URI of the PNG.
        width, height: in pixels.
    """

    uri: str
    width: int
    height: int


def picture(pixels: NDArray[np.uint8]) -> Picture:
    """Greys (height, width), 0 black and 255 white, as a picture."""
    height, width = pixels.shape
    return Picture("data:image/png;base64," + base64.b64encode(png(pixels)).decode("ascii"), width, height)


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Greys (height, width) as the bytes of a PNG file (ISO/IEC 15948).

    Rows are left as they are: of pictures with few greys, the format's filters make no smaller ones.
    """
    height, width = pixels.shape
    rows = np.zeros((height, width + 1), np.uint8)  # the first number of a row names its filter: none
    rows[:, 1:] = pixels
    header = struct.pack(">IIBBBBB", width, height, _BITS, _GREYSCALE, 0, 0, 0)
    body = zlib.compress(rows.tobytes(), 9)
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
