"""Images beside what the decoder makes of their features, and where the two differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medcl.figures.clustering.cluster import Cluster, Example
from medcl.figures.clustering.marks import mark_svg
from medcl.figures.clustering.still import Hanging, img, still
from medcl.figures.labels import number
from medcl.study.errors import BadInput

STYLE = """
.rebuilt { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 310px), 1fr)); gap: 12px; }
.rebuilt.deep { grid-template-columns: repeat(auto-fill, minmax(min(100%, 320px), 1fr)); }
.rebuilt article { border: 1px solid var(--line); padding: 7px 10px 8px; break-inside: avoid; }
.rebuilt article.held-out { border: 2px solid var(--ink); padding: 6px 9px 7px; }
.rebuilt .three { display: flex; flex-wrap: wrap; gap: 6px; }
.rebuilt figcaption { font-size: 11.5px; }
.rebuilt p { display: flex; flex-wrap: wrap; gap: 0 10px; align-items: center; margin: 5px 0 0; font-size: 12.5px;
  overflow-wrap: anywhere; }
.rebuilt p span { display: inline-flex; align-items: center; gap: 3px; }
@media print { .rebuilt { grid-template-columns: 1fr 1fr; } }
"""

_HIGH = 88


@dataclass(frozen=True)
class Reconstruction:
    """An image and the decoder's image of it.

    Attributes:
        example: the image.
        rebuilt: as `example.pixels`.
        cluster: place of its cluster in the page's list; None where it is not told.

    Raises:
        BadInput: the two are of unequal size.
    """

    example: Example
    rebuilt: NDArray[Any]
    cluster: int | None = None

    def __post_init__(self) -> None:
        if self.example.pixels.shape != self.rebuilt.shape:
            raise BadInput(
                f"A reconstruction of {self.rebuilt.shape} pixels stands beside an image of "
                f"{self.example.pixels.shape}: crop the padding away before both are drawn."
            )

    @property
    def difference(self) -> NDArray[np.float32]:
        """Absolute difference of each pixel."""
        apart: NDArray[np.float32] = np.abs(
            np.asarray(self.example.pixels, np.float32) - np.asarray(self.rebuilt, np.float32)
        )
        return apart

    @property
    def error(self) -> float:
        """Mean squared error over all pixels."""
        return float((self.difference.astype(np.float64) ** 2).mean())


def reconstructions(
    shown: Sequence[Reconstruction], clusters: Sequence[Cluster], hanging: Hanging, white: float, ids: bool
) -> str:
    """The reconstructions as HTML; nothing where there are none.

    Args:
        shown: in their order.
        clusters: of the page.
        hanging: how the arrays lie.
        white: the intensity drawn white in images and reconstructions.
        ids: whether patients may be named.
    """
    if not shown:
        return ""
    most = difference_white(shown)
    deep = " deep" if shown[0].rebuilt.ndim == 3 else ""
    cards = "".join(_card(each, clusters, hanging, white, most, ids) for each in shown)
    held = " A thick frame marks images of held-out patients." if any(each.example.held_out for each in shown) else ""
    return (
        '<section id="reconstructions"><h2>Reconstructions</h2><p>Image, reconstruction, and their absolute difference '
        f"on one scale: black is none, white is {number(most)} or more.{held}</p>"
        f'<div class="rebuilt{deep}">{cards}</div></section>'
    )


def difference_white(shown: Sequence[Reconstruction]) -> float:
    """The difference that is drawn white: the greatest of all that are shown, to two digits upwards."""
    greatest = max(float(each.difference.max()) for each in shown)
    if greatest == 0:
        return 1.0
    digit = 10.0 ** (np.floor(np.log10(greatest)) - 1)
    return float(np.ceil(round(greatest / digit, 4)) * digit)


def _card(
    each: Reconstruction, clusters: Sequence[Cluster], hanging: Hanging, white: float, most: float, ids: bool
) -> str:
    name = each.example.name(ids)
    flat = each.rebuilt.ndim == 2
    drawn = "".join(
        f"<figure>{img(still(pixels, hanging, top), hanging, f'{kind} {name}'.strip(), _HIGH, flat)}"
        f"<figcaption>{kind}</figcaption></figure>"
        for kind, pixels, top in (
            ("image", each.example.pixels, white),
            ("reconstruction", each.rebuilt, white),
            ("difference", each.difference, most),
        )
    )
    said = f"<span>MSE {each.error:.3g}</span>"
    if each.cluster is not None:
        said += f"<span>{mark_svg(each.cluster)}Cluster {escape(clusters[each.cluster].name)}</span>"
    said += f"<span>{escape(name)}</span>" if name else ""
    held = ' class="held-out"' if each.example.held_out else ""
    return f'<article{held}><div class="three">{drawn}</div><p>{said}</p></article>'
