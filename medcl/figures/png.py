"""Small greyscale pictures as PNG, in a page."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medcl.figures.png_file import png_file


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
    """Greys (height, width) as the bytes of a PNG file."""
    return png_file(pixels)
