"""Colour scales and marker shapes of every page, as plain data that needs no plotting library.

Numbers are drawn on scales whose lightness only rises, so that the order survives black-and-white print and
every common form of colour blindness (viridis by S. van der Walt and N. Smith; cividis: Nuñez, Anderton,
Renslow, PLoS ONE 2018). Classes take the eight colours of Okabe and Ito (Color Universal Design, 2008), each
with a marker shape of its own; missing values are grey everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

from medcl.study.label_classes import LABEL_COLOURS


@dataclass(frozen=True)
class ColourScale:
    """A scale from low to high.

    Attributes:
        about: one line for `--help` and the reference.
        stops: colours at equal distances, as `#rrggbb`.
    """

    about: str
    stops: tuple[str, ...]


COLOUR_SCALES = {
    "viridis": ColourScale(
        "purple over green to yellow; even steps, readable in black and white",
        (
            "#440154", "#482878", "#3e4989", "#31688e", "#26828e",
            "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725",
        ),
    ),
    "cividis": ColourScale(
        "blue over grey to yellow; looks the same with red-green colour blindness",
        (
            "#00224e", "#123570", "#3b496c", "#575d6d", "#707173",
            "#8a8678", "#a59c74", "#c3b369", "#e1cc55", "#fee838",
        ),
    ),
}  # fmt: skip

CLASS_COLOURS = (*LABEL_COLOURS, "#000000")
CLASS_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "cross", "star", "pentagon")
"""Plotly marker names, one a class, so that classes stay apart without colour."""

MISSING_COLOUR = "#8a8a8a"
MISSING_SYMBOL = "x"


def colour_at(scale: str, share: float) -> str:
    """The colour of a scale at a share from 0 (low) to 1 (high), as `#rrggbb`; shares outside are clipped."""
    stops = COLOUR_SCALES[scale].stops
    place = min(max(share, 0.0), 1.0) * (len(stops) - 1)
    below = min(int(place), len(stops) - 2)
    part = place - below
    mixed = (
        round(low + (high - low) * part)
        for low, high in zip(_channels(stops[below]), _channels(stops[below + 1]), strict=True)
    )
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def plotly_scale(scale: str) -> list[tuple[float, str]]:
    """A scale in plotly's form: pairs of share and colour."""
    stops = COLOUR_SCALES[scale].stops
    return [(place / (len(stops) - 1), colour) for place, colour in enumerate(stops)]


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
