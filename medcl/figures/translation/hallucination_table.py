"""What translations kept of their sources and may have made up, image by image, as a table to sort and filter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from medcl.figures.sortable_table import SCRIPT

STYLE = """
#hallucination thead small { font-weight: 400; color: var(--soft); }
#hallucination table { width: auto; min-width: min(100%, 560px); }
#hallucination td, #hallucination tbody th, #hallucination tfoot th { padding: 3px 14px 3px 7px; }
#hallucination tfoot td, #hallucination tfoot th { font-weight: 600; text-align: left; border-bottom: 0; }
#hallucination tfoot td.number { text-align: right; }
#hallucination tfoot tr:first-child > * { border-top: 2px solid var(--ink); }
#hallucination .tools { margin: 0; }
@media print { #hallucination tfoot { display: table-row-group; }
  #hallucination td, #hallucination tbody th, #hallucination tfoot th { padding: 1px 6px 1px 3px; } }
"""


@dataclass(frozen=True)
class TranslatedImage:
    """One validation image.

    Attributes:
        name: as the page calls it.
        information: mutual information of source and translated intensities, in bits.
        chance: the same of translations beside slices that they do not come from, in bits; None of a single slice.
        means: by class, mean intensity within the source's mask in the source and in the translation, 0 to 1; classes
            that the image does not have are left out.
    """

    name: str
    information: float
    chance: float | None
    means: Mapping[str, tuple[float, float]]

    @property
    def lost(self) -> bool:
        """Whether no more of the source is in the translation than chance has it."""
        return self.chance is not None and not self.information > self.chance


def hallucination_table(
    images: Sequence[TranslatedImage], classes: Sequence[str] = (), target: Mapping[str, float] | None = None
) -> str:
    """The table as HTML, the images of which least was kept first; nothing where there are none.

    Args:
        images: of validation patients.
        classes: names of the label classes, in their order.
        target: by class, mean intensity in real target images, as far as it is known.
    """
    if not images:
        return ""
    shown = [name for name in classes if any(name in image.means for image in images)]
    heads = _head("Image") + _head("Mutual information", "bits") + _head("By chance", "bits")
    heads += "".join(_head(name, "source → translated") for name in shown)
    ordered = sorted(images, key=lambda image: (image.information - (image.chance or 0.0), image.name))
    rows = "".join(_row(image, place, shown) for place, image in enumerate(ordered))
    classed = (
        " Then the mean intensity (0 to 1) within each class of the source's mask, before and after; where real target "
        "images are known, theirs stand at the end, and translations should come near."
        if shown
        else ""
    )
    return (
        '<section id="hallucination"><h2>What was kept, and what may be made up</h2>'
        "<p>Mutual information of source and translated intensities: how much one tells of the other. At chance "
        "(translations beside other slices) the translation shows what is not in its source; such values are bold and "
        f"underlined.{classed}</p>"
        '<div class="tools screen-only" id="tools" hidden><label for="filter">Filter images</label>'
        '<input type="search" id="filter" placeholder="patient, exam …" autocomplete="off">'
        '<output id="shown" aria-live="polite"></output></div>'
        '<div class="scroll" tabindex="0" role="region" aria-label="What was kept"><table id="table">'
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody><tfoot>{_foot(images, shown, target or {})}</tfoot>"
        f"</table></div><script>{SCRIPT}</script></section>"
    )


def _head(title: str, unit: str = "") -> str:
    below = f"<br><small>{escape(unit)}</small>" if unit else ""
    kind = ' class="number"' if unit else ""
    return f'<th scope="col" aria-sort="none"{kind}><button type="button">{escape(title)}{below}</button></th>'


def _row(image: TranslatedImage, place: int, classes: Sequence[str]) -> str:
    kind = "number out" if image.lost else "number"
    cells = (
        f'<td class="{kind}" data-value="{_exact(image.information)}">{_written(image.information)}</td>'
        f'<td class="number" data-value="{_exact(image.chance)}">{_written(image.chance)}</td>'
    )
    for name in classes:
        means = image.means.get(name)
        exact = "" if means is None else _exact(means[1])
        cells += f'<td class="number" data-value="{exact}">{_means(means)}</td>'
    return (
        f'<tr id="image-{place}" data-image="{place}"><th scope="row" data-words>{escape(image.name)}</th>{cells}</tr>'
    )


def _foot(images: Sequence[TranslatedImage], classes: Sequence[str], target: Mapping[str, float]) -> str:
    """The mean over the images, and what real target images have."""
    pairs = {name: [image.means[name] for image in images if name in image.means] for name in classes}
    means = {name: (_mean([a for a, _ in each]), _mean([b for _, b in each])) for name, each in pairs.items()}
    cells = "".join(f'<td class="number">{_means(means[name])}</td>' for name in classes)
    kept, chance = (
        _mean([each.information for each in images]),
        _mean([each.chance for each in images if each.chance is not None]),
    )
    foot = (
        f'<tr><th scope="row">Mean</th><td class="number">{_written(kept)}</td>'
        f'<td class="number">{_written(chance)}</td>{cells}</tr>'
    )
    if any(name in target for name in classes):
        real = "".join(f'<td class="number">{_written(target.get(name))}</td>' for name in classes)
        foot += f'<tr><th scope="row">Real target images</th><td></td><td></td>{real}</tr>'
    return foot


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if value == value]
    return sum(known) / len(known) if known else float("nan")


def _means(means: tuple[float, float] | None) -> str:
    return "–" if means is None else f"{_written(means[0])} → {_written(means[1])}"


def _written(value: float | None) -> str:
    return "–" if value is None or value != value else f"{value:.3f}"


def _exact(value: float | None) -> str:
    return "" if value is None or value != value else f"{value:.6g}"
