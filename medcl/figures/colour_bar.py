"""The colour bar of numbers as SVG: the scale with round ticks, under a histogram of the values that are shown."""

from __future__ import annotations

import math
from collections.abc import Callable
from html import escape

import numpy as np
import numpy.typing as npt

from medcl.figures.colouring import Colouring
from medcl.figures.colours import colour_at
from medcl.figures.labels import number
from medcl.study.plural import counted

WIDTH, HEIGHT, MARGIN = 360, 13, 26
"""Of the bar and of the space beside it, in pixels."""
HISTOGRAM_HEIGHT = 30
BINS = 36
STEPS = 60
"""Patches of one colour that make the bar."""
INK = "#1b1f24"
FEW_TICKS = 3
"""A logarithmic bar with fewer of 1, 2, 5, 10, ... within its limits has evenly spaced values as ticks."""


def colour_bar(colouring: Colouring, mark: tuple[float, str] | None = None) -> str:
    """The bar as HTML.

    Args:
        colouring: of a numeric variable.
        mark: a value to be marked, and its words; not drawn where it lies outside the limits.
    """
    low, high = colouring.limits()
    left, right = (float(end) for end in colouring.shown((low, high)))
    known = colouring.values[~colouring.missing].astype(np.float64)
    shares = (colouring.shown(np.clip(known, low, high)) - left) / (right - left)

    def across(value: float) -> float:
        return MARGIN + WIDTH * (float(colouring.shown(value)) - left) / (right - left)

    top = HISTOGRAM_HEIGHT + (16 if mark else 2)
    parts = [*_histogram(shares, colouring.scale, top), *_bar(colouring.scale, top)]
    parts += _tick_marks(ticks(low, high, colouring.logarithmic), across, top + HEIGHT)
    if mark and low < mark[0] < high:
        x = across(mark[0])
        line = f'<line x1="{x:.1f}" x2="{x:.1f}" y1="4" y2="{top + HEIGHT}" stroke="{INK}" stroke-dasharray="3 2"/>'
        parts.append(f'{line}<text x="{x + 5:.1f}" y="11">{escape(mark[1])}</text>')
    said = escape(f"{colouring.title}: colours from {number(low)} (dark) to {number(high)} (light)")
    words = [*(["Logarithmic colour scale."] if colouring.logarithmic else []), *_beyond(known, low, high)]
    below = f'<p class="count">{escape(" ".join(words))}</p>' if words else ""
    return (
        f'<svg width="{WIDTH + 2 * MARGIN}" height="{top + HEIGHT + 21}" role="img" aria-label="{said}" '
        f'font-size="12.5" fill="{INK}">{"".join(parts)}</svg>{below}'
    )


def ticks(low: float, high: float, logarithmic: bool = False) -> list[float]:
    """Round values within the limits: about five evenly spaced ones, or 1, 2, 5, 10, 20, ... on a logarithmic bar."""
    if logarithmic:
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        found = [digit * 10.0**power for power in powers for digit in (1, 2, 5) if low <= digit * 10.0**power <= high]
        if len(found) >= FEW_TICKS:
            return found
    raw = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [place * step for place in range(first, last + 1)]


def _histogram(shares: npt.NDArray[np.float64], scale: str, top: int) -> list[str]:
    counts, _ = np.histogram(shares, bins=BINS, range=(0, 1))
    step = WIDTH / BINS
    tallest = max(int(counts.max()), 1)
    return [
        f'<rect x="{MARGIN + place * step + 0.4:.2f}" y="{top - 2 - tall:.2f}" width="{step - 0.8:.2f}" '
        f'height="{tall:.2f}" fill="{colour_at(scale, (place + 0.5) / BINS)}" stroke="{INK}" stroke-opacity="0.35" '
        'stroke-width="0.5"/>'
        for place, count in enumerate(counts)
        if (tall := HISTOGRAM_HEIGHT * int(count) / tallest) > 0
    ]


def _bar(scale: str, top: int) -> list[str]:
    # patches overlap by half a pixel, so that no seams show
    return [
        f'<rect x="{MARGIN + WIDTH * step / STEPS:.2f}" y="{top}" width="{WIDTH / STEPS + 0.5:.2f}" '
        f'height="{HEIGHT}" fill="{colour_at(scale, (step + 0.5) / STEPS)}"/>'
        for step in range(STEPS)
    ]


def _tick_marks(values: list[float], across: Callable[[float], float], y: int) -> list[str]:
    return [
        f'<line x1="{across(value):.1f}" x2="{across(value):.1f}" y1="{y}" y2="{y + 4}" stroke="{INK}"/>'
        f'<text x="{across(value):.1f}" y="{y + 17}" text-anchor="middle">{round(value, 10):.6g}</text>'
        for value in values
    ]


def _beyond(known: npt.NDArray[np.float64], low: float, high: float) -> list[str]:
    """Words for values outside the scale, which take its end colours."""
    count = int(((known < low) | (known > high)).sum())
    if not count:
        return []
    span = f"{number(float(known.min()))} to {number(float(known.max()))}"
    lie, take = ("lies", "takes") if count == 1 else ("lie", "take")
    return [f"{counted(count, 'value')} {lie} beyond the scale (all: {span}) and {take} its end colours."]
