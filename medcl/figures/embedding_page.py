"""The page of `medcl visualize`: maps of features side by side, coloured by a clinical variable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Literal

from medcl.figures import legend as legend_block
from medcl.figures import plotly_panel
from medcl.figures.colouring import OTHER, Colouring
from medcl.figures.labels import RAISED_CREATININE, capital, readable
from medcl.figures.maps import MAPS, Map
from medcl.figures.page import footer, notes, page
from medcl.figures.points import Points
from medcl.figures.scatter import WEBGL_FROM, layout, traces
from medcl.study.plural import counted

TITLES = {"pca": "Principal components", "umap": "UMAP", "tsne": "t-SNE"}
CAPTIONS = {
    "pca": "Straight-line view: distances along an axis mean the same everywhere.",
    "umap": "Neighbours lie together; the axes have no unit, and distances between far groups mean little.",
    "tsne": "Neighbours lie together; the axes have no unit, and the size of a group means little.",
}
CREATININE = "screat"
MICROMOLAR = {"umol/l", "µmol/l", "μmol/l", "micromol/l"}


def embedding_page(
    points: Points,
    colouring: Colouring,
    maps: Sequence[Map],
    *,
    name: str,
    rows: Literal["image", "exam"] = "image",
    run: str = "",
    trained_on: str = "",
    facts: Mapping[str, str] | None = None,
    said: Sequence[str] = (),
) -> str:
    """The whole page as HTML.

    Args:
        points: the N rows with their hover variables.
        colouring: the variable shown as colour, over the same rows.
        maps: one panel each, over the same rows.
        name: file name of the page, without ending.
        rows: what one row is.
        run: the run whose encoder made the features; "" when it is not known.
        trained_on: the clinical variable of that run; "" when it had none.
        facts: what the footer lists (features file, settings, seed, ...).
        said: further sentences for the notes (what was left out).
    """
    drawings = "".join(_figure(found, len(points), rows, colouring) for found in maps)
    settings = "; ".join(found.settings for found in maps) + "; all fitted on every row shown"
    panels = [
        plotly_panel.panel(f"map-{found.method}", traces(points, colouring, found), layout(found)) for found in maps
    ]
    body = [
        legend_block.legend(points, colouring, rows, _mark(colouring)),
        f'<div class="panels">{drawings}</div>',
        "<noscript><p>The maps are drawn by a script: allow JavaScript to see them.</p></noscript>",
        notes("How to read this page", [*reading_notes(points, colouring, rows, trained_on, maps), *said]),
        footer({**(facts or {}), "Maps": settings}),
        plotly_panel.scripts(name, points.hover(), panels),
    ]
    people = len(set(points.patients))
    title = f"{capital(readable(colouring.name))} across the features" + (f" of {run}" if run else "")
    return page(
        title,
        body,
        kicker="medcl · what the encoder sees",
        subtitle=f"{counted(len(points), rows)} of {counted(people, 'patient')}. Each point is one {rows}, "
        "placed by its "
        "features alone: points that lie close look alike to the encoder.",
        style=legend_block.STYLE + plotly_panel.STYLE,
    )


def reading_notes(points: Points, colouring: Colouring, rows: str, trained_on: str, maps: Sequence[Map]) -> list[str]:
    """What a reader must know before believing the picture, in sentences."""
    said = [*_circularity(points, colouring, trained_on)]
    if _shows_creatinine(colouring.name):
        said.append(
            f"Clinically raised creatinine, above about {RAISED_CREATININE:g} µmol/L (1.1 mg/dL), is the "
            "abnormal side: "
            "on this colour scale the lighter one."
        )
    gone = int(colouring.missing.sum())
    if gone:
        people = len({patient for patient, lacks in zip(points.patients, colouring.missing, strict=True) if lacks})
        said.append(
            f"{capital(readable(colouring.name))} is missing for {counted(gone, rows)} of "
            f"{counted(people, 'patient')}: "
            "drawn as grey crosses; nothing was filled in."
        )
    if colouring.censored:
        said.append(
            f"{counted(len(colouring.censored), 'value')} of {readable(colouring.name)} given as a limit (such as "
            "<15): coloured as that limit."
        )
    if colouring.kind == "categorical" and OTHER in colouring.classes():
        said.append("Only the seven most frequent classes have a colour of their own; the others share one.")
    return said + [note for found in maps for note in found.notes]


def _circularity(points: Points, colouring: Colouring, trained_on: str) -> list[str]:
    shown = set(points.splits)
    if "train" not in shown:
        return []
    held_out = "Judge it by the held-out patients (large, dark outline)."
    if not shown & {"test", "new"}:
        held_out = "No held-out patient is shown here: this page is no evidence of what the encoder has learned."
    if trained_on == colouring.name:
        return [
            f"The encoder was trained to order the training patients by {readable(trained_on)}: that they "
            "lie in "
            f"order here is circular and shows nothing. {held_out}"
        ]
    if trained_on:
        return [
            f"The encoder was trained to order the training patients by {readable(trained_on)}: where the "
            "training "
            f"patients lie is circular for it, and for whatever goes along with it. {held_out}"
        ]
    return [f"The encoder has seen the training patients' images. {held_out}"]


def _figure(found: Map, count: int, rows: str, colouring: Colouring) -> str:
    title = TITLES[found.method]
    said = f"{title} of {counted(count, rows)}, coloured by {colouring.title}: {MAPS[found.method]}"
    identity = f"map-{found.method}"
    drawn = " Drawn by WebGL." if count >= WEBGL_FROM else ""
    return (
        f'<figure aria-labelledby="{identity}-title"><h2 id="{identity}-title">{escape(title)}</h2>'
        f'<div class="plot" id="{identity}" role="img" tabindex="0" aria-label="{escape(said)}"></div>'
        f"<figcaption>{escape(CAPTIONS[found.method] + drawn)}</figcaption></figure>"
    )


def _mark(colouring: Colouring) -> tuple[float, str] | None:
    """The limit above which creatinine is raised, for the colour bar, where the table's unit is the one
    it is known in."""
    known = _shows_creatinine(colouring.name) and colouring.unit.strip().lower() in MICROMOLAR
    return (RAISED_CREATININE, "raised →") if known and colouring.kind == "numeric" else None


def _shows_creatinine(name: str) -> bool:
    """Whether a variable's values are creatinine; its spread over time, screat@365+-60:sd, has no abnormal side."""
    return name.split("@")[0] == CREATININE and not name.endswith(":sd")
