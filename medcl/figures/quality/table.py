"""The table of all images on the quality page, and the lines of script that sort it and filter table and cards."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from medcl.figures.quality.card import shown
from medcl.figures.quality.image import QualityImage
from medcl.figures.quality.sizes import times
from medcl.figures.quality.statistics import STATISTICS
from medcl.figures.sortable_table import SCRIPT
from medcl.study.plural import counted

_WORDS = ("Image", "Modality", "Site", "Source voxels (z y x)", "Spacing in mm (z y x)")
_LAST = ("Greatest z-score", "Findings")


def tools() -> str:
    """The bar with the filter; shown by the script that makes it work."""
    return (
        '<div class="tools screen-only" id="tools" hidden><label for="filter">Filter images</label>'
        '<input type="search" id="filter" placeholder="patient, exam, sequence, outlier …" autocomplete="off">'
        '<output id="shown" aria-live="polite"></output><a href="#all">Table of all images</a></div>'
    )


def table(images: Sequence[QualityImage], order: Sequence[int]) -> str:
    """The table as HTML, with its script.

    Args:
        images: all of them.
        order: their places, in the order of the rows.
    """
    numeric = [statistic.title for statistic in STATISTICS.values()]
    heads = [_head(title) for title in _WORDS] + [_head(title, True) for title in [*numeric, _LAST[0]]]
    rows = "".join(_row(images[place], place) for place in order)
    return (
        '<div class="scroll" id="all" tabindex="0" role="region" aria-label="Table of all images">'
        f'<table id="table"><thead><tr>{"".join(heads)}{_head(_LAST[1])}</tr></thead><tbody>{rows}</tbody></table>'
        f"</div><script>{SCRIPT}</script>"
    )


def _head(title: str, is_number: bool = False) -> str:
    kind = ' class="number"' if is_number else ""
    return f'<th scope="col" aria-sort="none"{kind}><button type="button">{escape(title)}</button></th>'


def _row(image: QualityImage, place: int) -> str:
    entry = image.entry
    cells = "".join(f"<td data-words>{escape(text)}</td>" for text in (entry.modality, entry.site))
    cells += "".join(f"<td>{times(numbers)}</td>" for numbers in (entry.source_shape, entry.source_spacing))
    for name, value in image.measured.values.items():
        out = " out" if name in image.outlying else ""
        exact = "" if value != value else f"{value:.6g}"
        cells += f'<td class="number{out}" data-value="{exact}">{shown(image, name)}</td>'
    cells += f'<td class="number" data-value="{image.score:.4g}">{image.score:.1f}</td>'
    found = ["outlier"] if image.outlying else []
    found += [counted(len(image.warnings), "warning")] if image.warnings else []
    return (
        f'<tr data-image="{place}"><th scope="row" data-words><a href="#image-{place}">{escape(image.name)}</a></th>'
        f"{cells}<td data-words>{', '.join(found)}</td></tr>"
    )
