"""Images and volumes as small greyscale pictures, all of a page with one intensity as white."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medcl.figures.planes import BRIGHTEST, montage, resized
from medcl.figures.png import Picture, picture

MOST_PIXELS = 160
"""Of the longer side of a 2D picture; larger images are averaged down."""

_DARKEST = 1e-6


@dataclass(frozen=True)
class Hanging:
    """How arrays are to be looked at.

    Attributes:
        spacing: mm along z, y, x, or y, x; the last two count for 2D images.
        patient_axes: arrays run along the patient's axes (RAS+, as in a store made from a cohort) and are turned as
            radiologists hang them; else the first row is the top one, as in a MedMNIST-style npz.
    """

    spacing: tuple[float, ...] = (1.0, 1.0, 1.0)
    patient_axes: bool = True


def white_of(images: Sequence[NDArray[Any]]) -> float:
    """The intensity that a page draws white: BRIGHTEST of all pixels above 0, so that pictures can be compared."""
    filled = [image[image > 0] for image in images]
    values = np.concatenate([np.ravel(part) for part in filled]) if filled else np.empty(0)
    return max(float(np.quantile(values, BRIGHTEST)), _DARKEST) if len(values) else 1.0


def still(pixels: NDArray[Any], hanging: Hanging, white: float) -> Picture:
    """An image as a picture: (H, W) as it is, (Z, Y, X) as its three middle planes.

    Args:
        pixels: intensities; 0 and below is black.
        hanging: how they lie.
        white: the intensity drawn white.
    """
    values = np.asarray(pixels, dtype=np.float32)
    if values.ndim == 3:
        stored = values if hanging.patient_axes else values[::-1, ::-1, ::-1]
        z, y, x = (length // 2 for length in stored.shape)
        return picture(montage(stored, hanging.spacing, (z, y, x), white))
    plane = _smaller(values[::-1, ::-1] if hanging.patient_axes else values)
    return picture(np.rint(np.clip(plane / white, 0, 1) * 255).astype(np.uint8))


def img(drawn: Picture, hanging: Hanging, alt: str, high: int, flat: bool) -> str:
    """A picture as HTML.

    Args:
        drawn: made by `still`.
        hanging: how it lay.
        alt: what it shows, plain text.
        high: pixels of a 2D image's height on the screen; montages of volumes keep their size.
        flat: whether it is of a 2D image.
    """
    width, height = drawn.width, drawn.height
    if flat:
        tall, wide = drawn.height * hanging.spacing[-2], drawn.width * hanging.spacing[-1]
        width, height = max(1, round(high * wide / tall)), high
    sharp = ' class="pixels"' if flat and drawn.height < high else ""
    return f'<img{sharp} src="{drawn.uri}" width="{width}" height="{height}" alt="{escape(alt)}">'


def _smaller(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    factor = min(1.0, MOST_PIXELS / max(plane.shape))
    if factor == 1.0:
        return plane
    down, across = (max(1, round(length * factor)) for length in plane.shape)
    return resized(plane, down, across)
