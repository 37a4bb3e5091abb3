"""The page of `medcl preprocess`: every prepared image at a glance, those that differ from the others first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from medcl.figures.page import fact_list, footer, notes, page
from medcl.figures.planes import BRIGHTEST
from medcl.figures.quality import card, table
from medcl.figures.quality.image import QualityImage, worst_first
from medcl.figures.quality.outliers import FEWEST, OUTLIER
from medcl.figures.quality.sizes import recipe_facts, span
from medcl.figures.quality.statistics import STATISTICS
from medcl.figures.sortable_table import STYLE as TABLE_STYLE
from medcl.imaging.recipe import Recipe
from medcl.imaging.slices import plane_of
from medcl.imaging.stored_volume import StoredVolume
from medcl.study.plural import counted

STYLE = """
dl.head { margin: 16px 0 0; }
body > h2 { margin-top: 20px; }
"""


def quality_page(
    images: Sequence[QualityImage],
    recipe: Recipe,
    *,
    store: str,
    data: str,
    left_out: Sequence[tuple[str, str]] = (),
    said: Sequence[str] = (),
) -> str:
    """The whole page as HTML.

    Args:
        images: made by `judged`, in the order of the cohort.
        recipe: what was done to them.
        store: where they lie, as the page says it.
        data: hash of the store, for the footer.
        left_out: name and reason of the images that could not be used.
        said: further sentences for the notes.
    """
    order = worst_first(images)
    out = sum(bool(image.outlying) for image in images)
    warned = sum(bool(image.warnings) for image in images)
    body = [
        fact_list({"Store": store, **recipe_facts(recipe), **_counts(images, recipe)}, "facts head"),
        notes(f"Left out: {counted(len(left_out), 'image')}", [f"{name}: {problem}" for name, problem in left_out]),
        table.tools(),
        f"<h2>{_heading(out, warned)}</h2>",
        card.cards(images),
        "<h2>All images</h2>",
        table.table(images, order),
        notes("How to read this page", [*reading_notes(len(images)), *said]),
        footer({"Store": store, "Data": data}),
    ]
    people = len({image.patient for image in images})
    return page(
        "Quality of the prepared images",
        body,
        kicker="medcl · before training",
        subtitle=f"{counted(len(images), 'image')} of {counted(people, 'patient')}; "
        f"{counted(out, 'outlier')}, {counted(warned, 'image')} with warnings, {len(left_out):,} left out.",
        style=STYLE + card.STYLE + TABLE_STYLE,
    )


def reading_notes(count: int) -> list[str]:
    """How pictures, histograms and scores are to be read, in sentences."""
    scores = (
        f"Outliers are images of which a number lies {OUTLIER:g} or more robust standard deviations from the median "
        f"(z-score by the median absolute deviation) of the images of the same modality and sequence, or of all where "
        f"these are fewer than {FEWEST}. They are to be looked at; they need not be wrong."
    )
    if count < FEWEST:
        scores = f"Outliers are not sought among fewer than {FEWEST} images."
    return [
        "Pictures: axial, coronal and sagittal plane at one scale in mm, through the middle of the labelled region, or "
        "of the volume where nothing is labelled. The patient's right is on the left, front is on the left of the "
        "sagittal plane. A white and black line goes around the region.",
        f"Each picture runs from 0 (black) to the {100 * BRIGHTEST:g}th percentile of its voxels above 0 (white): "
        "compare brightness by the numbers, not by eye.",
        "Histograms: prepared intensities above 0, from 0 on the left to 1 on the right; heights are square roots of "
        "counts. Beside them stand the source's voxels and spacing (z × y × x), the stored spacing where it is "
        "another, and the source's least, greatest and median value.",
        scores,
        *(f"{statistic.title}: {statistic.about}" for statistic in STATISTICS.values()),
    ]


def _heading(out: int, warned: int) -> str:
    first = [counted(out, "outlier")] if out else []
    first += [f"those with warnings ({warned:,})"] if warned else []
    return f"Images: first {', then '.join(first)}" if first else "Images, as they come in the cohort"


def _slices(entries: Sequence[StoredVolume], recipe: Recipe) -> dict[str, str]:
    """How many slices there are, and of which planes."""
    if recipe.slices is None:
        return {}
    counts = [entry.shape[0] for entry in entries]
    low, high = f"{min(counts):,}", f"{max(counts):,}"
    planes = Counter(plane_of(entry.matrix) for entry in entries)
    told = ", ".join(f"{plane} {count:,}" for plane, count in planes.most_common())
    each = low if low == high else f"{low} to {high}"
    return {"Number of slices": f"{sum(counts):,}, {each} an image", "Images by nearest plane": told}


def _counts(images: Sequence[QualityImage], recipe: Recipe) -> dict[str, str]:
    entries = [image.entry for image in images]
    if not entries:
        return {}
    facts = {
        "Source voxels": span([entry.source_shape for entry in entries]),
        "Source spacing": span([entry.source_spacing for entry in entries]) + " mm",
        "Stored spacing": span([entry.spacing for entry in entries]) + " mm",
        **_slices(entries, recipe),
        "Labels": f"{sum(bool(entry.label_file) for entry in entries):,} of {counted(len(entries), 'image')}",
    }
    for name in ("exam", "sequence", "modality", "site"):
        found = Counter(getattr(entry, name) for entry in entries)
        if set(found) != {""}:
            facts[f"Images by {name}"] = ", ".join(f"{word or 'not named'} {count:,}" for word, count in found.items())
    return facts
