"""Pictures of few colours as PNG: a byte a pixel, which names a colour of a list."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medcl.figures.png_file import SIGNATURE, png_file

MOST_COLOURS = 256


def indexed_png(pixels: NDArray[np.uint8], palette: Sequence[str]) -> bytes:
    """The bytes of a PNG file.

    Args:
        pixels: (height, width) places in the palette.
        palette: colours as `#rrggbb`, 1 to 256.

    Raises:
        ValueError: the palette has too many colours, or too few for the pixels.
    """
    if not int(pixels.max()) < len(palette) <= MOST_COLOURS:
        raise ValueError(f"a palette of {len(palette)} colours for pixels up to {int(pixels.max())}.")
    return png_file(pixels, b"".join(bytes.fromhex(colour.removeprefix("#")) for colour in palette))


def png_size(content: bytes) -> tuple[int, int]:
    """Width and height of a PNG file in pixels.

    Raises:
        ValueError: the bytes are no PNG file.
    """
    if len(content) < 24 or not content.startswith(SIGNATURE):
        raise ValueError("no PNG file.")
    width, height = struct.unpack(">II", content[16:24])
    return int(width), int(height)
