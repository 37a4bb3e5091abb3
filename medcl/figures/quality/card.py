"""The cards of the quality page: the images of one exam side by side, with planes, histogram, numbers and warnings."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from medcl.figures.labels import number
from medcl.figures.quality.image import QualityImage, worst_first
from medcl.figures.quality.measure import BINS
from medcl.figures.quality.sizes import times
from medcl.figures.quality.statistics import STATISTICS

STYLE = """
.exams { --card: 280px; display: flex; flex-wrap: wrap; gap: 14px; align-items: stretch; margin: 10px 0 24px; }
@media (min-width: 1330px) { .exams.three { --card: 386px; } }  /* three cards a row, else four */
.exam { border: 1px solid var(--line); padding: 9px 13px 11px; max-width: 100%; break-inside: avoid; }
.exam h3 { margin: 0 0 6px; font-size: 15px; font-weight: 650; }
.images { display: flex; flex-wrap: wrap; gap: 12px 20px; }
.image { width: var(--card); max-width: 100%; scroll-margin-top: 70px; }
.image h4 { margin: 0 0 4px; font-size: 13.5px; font-weight: 600; overflow-wrap: anywhere; }
.image img { display: block; width: 100%; height: auto; }
.image .numbers { display: flex; gap: 12px; align-items: flex-end; margin: 7px 0 0; }
.image .numbers svg { flex: none; border-bottom: 1px solid var(--soft); fill: var(--soft); }
.image dl { display: grid; grid-template-columns: max-content 1fr; gap: 0 9px; margin: 0; font-size: 12.5px;
  line-height: 1.4; }
.image dt { color: var(--soft); }
.image dd { margin: 0; }
.image ul { margin: 7px 0 0; padding: 0; list-style: none; font-size: 13px; line-height: 1.4; }
.image li { margin: 3px 0 0; padding-left: 9px; border-left: 2px solid var(--soft); }
.image li.out { border-left: 5px solid var(--ink); padding-left: 6px; }
.image:target h4 { text-decoration: underline; }
"""

_BIN, _HEIGHT = 2, 34


def cards(images: Sequence[QualityImage]) -> str:
    """All images as HTML, exam by exam, that with the farthest outlier first; phases keep their order."""
    groups: dict[str, list[int]] = {}
    for place in worst_first(images):
        groups.setdefault(images[place].exam, []).append(place)
    exams = "".join(
        f'<section class="exam"><h3>{escape(exam or "No exam named")}</h3><div class="images">'
        + "".join(_card(images[place], place) for place in sorted(places))
        + "</div></section>"
        for exam, places in groups.items()
    )
    three = " three" if max(map(len, groups.values()), default=0) == 3 else ""
    return f'<div class="exams{three}">{exams}</div>'


def finding(image: QualityImage, name: str) -> str:
    """What makes an image an outlier, in words: "Sharpness 0.12, far below the others (z = -6.3)"."""
    score, statistic = image.scores[name], STATISTICS[name]
    side = "above" if score > 0 else "below"
    return f"Outlier: {statistic.title.lower()} {shown(image, name)}, far {side} the others (z = {_signed(score)})."


def shown(image: QualityImage, name: str) -> str:
    """A statistic's value as it is written."""
    value = image.measured.values[name]
    if value != value:
        return "–"
    return f"{100 * value:.1f}%" if STATISTICS[name].percent else f"{value:.3g}"


def _signed(score: float) -> str:
    return ("+" if score > 0 else "−") + number(round(abs(score), 1))


def _card(image: QualityImage, place: int) -> str:
    picture, entry = image.measured.picture, image.entry
    alt = f"Axial, coronal and sagittal plane of {image.name}"
    said = "".join(f'<li class="out">{escape(finding(image, name))}</li>' for name in image.outlying)
    said += "".join(f"<li>{escape(sentence)}</li>" for sentence in image.warnings)
    facts = {"Voxels": times(entry.source_shape), "Spacing": f"{times(entry.source_spacing)} mm"}
    stored = f"{times(entry.spacing)} mm"
    if stored != facts["Spacing"]:
        facts["Stored"] = stored
    facts["Values"] = f"{number(entry.low)} to {number(entry.high)}"
    facts["Median"] = number(entry.median)
    rows = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in facts.items())
    title = entry.sequence or entry.modality.upper() or "Image"
    return (
        f'<figure class="image" id="image-{place}" data-image="{place}"><h4>{escape(title)}</h4>'
        f'<img src="{picture.uri}" width="{picture.width}" height="{picture.height}" alt="{escape(alt)}" '
        'loading="lazy" decoding="async">'
        f'<div class="numbers">{_histogram(image.measured.histogram)}<dl>{rows}</dl></div>'
        + (f"<ul>{said}</ul>" if said else "")
        + "</figure>"
    )


def _histogram(counts: Sequence[int]) -> str:
    """Bars whose heights are the square roots of the counts, as one path."""
    most = max(counts) or 1
    steps = [f"H{_BIN * place}V{_HEIGHT * (1 - (count / most) ** 0.5):.0f}" for place, count in enumerate(counts)]
    width = _BIN * BINS
    return (
        f'<svg width="{width}" height="{_HEIGHT}" viewBox="0 0 {width} {_HEIGHT}" role="img" '
        f'aria-label="Histogram of intensities"><path d="M0 {_HEIGHT}{"".join(steps)}H{width}V{_HEIGHT}Z"/></svg>'
    )
