"""Buttons that show and hide points, and marker shapes as SVG: what legends of maps are made of."""

from __future__ import annotations

import math
from html import escape

POLYGONS: dict[str, list[tuple[float, float]]] = {
    "square": [(-1, -1), (1, -1), (1, 1), (-1, 1)],
    "diamond": [(0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)],
    "triangle-up": [(0, -1.2), (1.15, 0.8), (-1.15, 0.8)],
    "triangle-down": [(0, 1.2), (1.15, -0.8), (-1.15, -0.8)],
    "cross": [(-0.4, -1.2), (0.4, -1.2), (0.4, -0.4), (1.2, -0.4), (1.2, 0.4), (0.4, 0.4),
              (0.4, 1.2), (-0.4, 1.2), (-0.4, 0.4), (-1.2, 0.4), (-1.2, -0.4), (-0.4, -0.4)],
    "x": [(0, -0.5), (0.75, -1.2), (1.2, -0.75), (0.5, 0), (1.2, 0.75), (0.75, 1.2),
          (0, 0.5), (-0.75, 1.2), (-1.2, 0.75), (-0.5, 0), (-1.2, -0.75), (-0.75, -1.2)],
    "star": [(math.sin(k * math.pi / 5) * (1.4 if k % 2 == 0 else 0.55),
              -math.cos(k * math.pi / 5) * (1.4 if k % 2 == 0 else 0.55)) for k in range(10)],
    "pentagon": [(1.2 * math.sin(k * math.tau / 5), -1.2 * math.cos(k * math.tau / 5)) for k in range(5)],
    "triangle-left": [(-1.2, 0), (0.8, -1.15), (0.8, 1.15)],
    "triangle-right": [(1.2, 0), (-0.8, -1.15), (-0.8, 1.15)],
    "hourglass": [(-1, -1), (1, -1), (-1, 1), (1, 1)],
    "bowtie": [(-1, -1), (1, 1), (1, -1), (-1, 1)],
}  # fmt: skip
"""Corners of plotly's marker shapes but the circle, for a radius of 1."""


def chip_group(title: str, chips: list[str]) -> str:
    """Buttons under a heading, which is plain text."""
    return f'<div><h2>{escape(title)}</h2><div class="chips">{"".join(chips)}</div></div>'


def chip(key: str, shape: str, text: str, count: str) -> str:
    """A button that shows and hides the traces of a key.

    Args:
        key: among the keys of the traces' `meta`.
        shape: made by `symbol`.
        text, count: what it stands for, and how many points there are, plain text.
    """
    return (
        f'<button type="button" class="chip" data-key="{escape(key)}" aria-pressed="true">{shape}'
        f'<span>{escape(text)} <span class="count">{escape(count)}</span></span></button>'
    )


def symbol(name: str, fill: str, outline: str, width: float, radius: float) -> str:
    """A marker, by plotly's name of its shape, as SVG of 20 by 20 pixels."""
    paint = f'fill="{fill}" stroke="{outline}" stroke-width="{width}"'
    if name == "circle":
        drawn = f'<circle r="{radius:.2f}" {paint}/>'
    else:
        corners = " ".join(f"{radius * x:.2f},{radius * y:.2f}" for x, y in POLYGONS[name])
        drawn = f'<polygon points="{corners}" {paint}/>'
    return f'<svg width="20" height="20" viewBox="-10 -10 20 20" aria-hidden="true">{drawn}</svg>'
