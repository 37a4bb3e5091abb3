"""The page of `medcl segment evaluate`: the summary, how it is spread, and every case with its planes, worst first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from medcl.figures import strip_plot
from medcl.figures.page import fact_list, footer, notes, page
from medcl.figures.segmentation import card, pictures, tables
from medcl.figures.segmentation.case import DICE, HD95, DrawnClass, ScoredCase, ScoredClass, shown, worst_first
from medcl.figures.segmentation.plane_names import MOST_TILT_DEGREES
from medcl.figures.segmentation.tables import SummaryRow
from medcl.figures.segmentation.views import AROUND_MM
from medcl.figures.sortable_table import STYLE as TABLE_STYLE
from medcl.figures.strip_plot import Strip
from medcl.study.plural import counted

STYLE = """
dl.head { margin: 16px 0 0; }
body > h2 { margin-top: 20px; }
.strips h3 { margin: 0 0 4px; font-size: 14px; font-weight: 650; }
"""

_INK = "#1b1f24"

READING = (
    "Cases come with the lowest mean Dice first, of equal ones that with the greater mean HD95.",
    "Planes go through the slices in which most voxels differ from the truth (where none does, in which most are "
    f"labelled), cut to what is labelled and at least {AROUND_MM:g} mm around it. The patient's right is on the left, "
    "front is on the left of the sagittal plane. Slices are counted from the feet, from the back and from the left. "
    "Where slices are not axial, or the image is tilted by more than "
    f"{MOST_TILT_DEGREES:g} degrees, planes are called by the stack (slice, across the slices) and hang nearest to so.",
    "Truth is outlined solid, prediction dashed; the number within an outline is that of the class in the tables. "
    "Outlines follow the voxels' edges.",
    "Plots: every point a case (point at it for its name), the box from the first to the third quartile, the thick "
    "line the median.",
    "± is the standard deviation over the cases.",
    "A class in neither mask is undefined and left out of means. Where it is in one mask only, Dice is 0 and every "
    "distance is the image's diagonal.",
)
INTERVALS = (
    "Intervals: 95% bootstrap percentile intervals of the mean, drawn by patient, since images of one patient resemble "
    "each other."
)


def segmentation_page(
    cases: Sequence[ScoredCase],
    classes: Sequence[DrawnClass],
    summary: Sequence[SummaryRow],
    *,
    titles: Mapping[str, str],
    people: int,
    about: Mapping[str, str],
    head: Mapping[str, str],
    facts: Mapping[str, str],
    said: Sequence[str] = (),
) -> str:
    """The whole page as HTML.

    Args:
        cases: in the order of the segmentations.
        classes: in the order of each case's scores.
        summary: a row for each class, and last the mean over them.
        titles: of the metrics of the summary.
        people: patients.
        about: of each metric, a sentence.
        head: what was compared, above the summary.
        facts: settings, for the footer.
        said: what a reader must know first: what was left out, training patients among the cases.
    """
    order = worst_first(cases)
    dice = summary[-1].cells[DICE]
    between = f" (95% interval {shown(DICE, dice.low)} to {shown(DICE, dice.high)})" if dice.low == dice.low else ""
    intervals = [INTERVALS] if people > 1 else []
    body = [
        fact_list(head, "facts head"),
        notes("Before you read on", said),
        tables.summary_table(summary, classes, dict(titles)),
        _plots(cases, classes),
        tables.tools(),
        "<h2>Cases, the worst first</h2>",
        card.cards(cases, order, classes),
        "<h2>All cases</h2>",
        tables.case_table(cases, order, classes),
        notes(
            "How to read this page", [*READING, *intervals, *(f"{title}: {words}" for title, words in about.items())]
        ),
        footer(facts),
    ]
    return page(
        "Segmentation beside the truth",
        body,
        kicker="medcl · segment evaluate",
        subtitle=f"{counted(len(cases), 'case')} of {counted(people, 'patient')}; "
        f"mean Dice {shown(DICE, dice.mean)}{between}.",
        style=STYLE + TABLE_STYLE + tables.STYLE + strip_plot.STYLE + card.STYLE + pictures.STYLE,
    )


def _plots(cases: Sequence[ScoredCase], classes: Sequence[DrawnClass]) -> str:
    """Dice and HD95 of the cases; a distance that only stands for an empty mask would hide all others."""
    names = [case.name for case in cases]

    def strips(metric: str) -> list[Strip]:
        rows = [
            Strip(each.name, each.colour, [_drawn(metric, case, place) for case in cases], names)
            for place, each in enumerate(classes)
        ]
        if len(classes) > 1:
            rows.append(Strip("mean over classes", _INK, [_drawn(metric, case) for case in cases], names))
        return rows

    plots = ""
    for metric, title in ((DICE, "Dice"), (HD95, "HD95 in mm")):
        every = strips(metric)
        rows = [strip for strip in every if any(value == value for value in strip.values)]
        if not rows:
            continue
        known = [value for strip in rows for value in strip.values if value == value]
        limits = (min(*known, 0.9), 1.0) if metric == DICE else (0.0, max(*known, 1.0))
        without = sum(any(_stands_in(each) for each in case.classes) for case in cases) if metric == HD95 else 0
        below = [f"Without {counted(without, 'case')} in which a class is in one of the masks only."] if without else []
        blank = ", ".join(strip.name for strip in every if all(value != value for value in strip.values))
        below += [f"Without a value: {blank}."] if blank else []
        plots += strip_plot.strip_plot(title, rows, strip_plot.round_limits(*limits), " ".join(below))
    return f'<div class="strips">{plots}</div>' if plots else ""


def _drawn(metric: str, case: ScoredCase, place: int | None = None) -> float:
    """The value of a class, or of the mean over them (None), as a point; NaN where none is to be drawn."""
    over = case.classes if place is None else [case.classes[place]]
    if metric == HD95 and any(map(_stands_in, over)):
        return float("nan")
    return (case.overall if place is None else case.classes[place].values)[metric]


def _stands_in(scored: ScoredClass) -> bool:
    """Whether distances are the image's diagonal."""
    return scored.empty in ("truth", "prediction")
