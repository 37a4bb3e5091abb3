"""The table of all images on the quality page, and the lines of script that sort it and filter table and cards."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from medcl.figures.quality.card import shown
from medcl.figures.quality.image import QualityImage
from medcl.figures.quality.sizes import times
from medcl.figures.quality.statistics import STATISTICS
from medcl.study.plural import counted

STYLE = """
.tools { position: sticky; top: 0; z-index: 2; display: flex; flex-wrap: wrap; gap: 6px 18px; align-items: center;
  margin: 16px 0 0; padding: 9px 0; background: var(--paper); border-bottom: 1px solid var(--line); }
.tools input { font: inherit; padding: 4px 9px; width: 300px; max-width: 100%; border: 1px solid var(--soft);
  border-radius: 4px; }
.tools output { color: var(--soft); }
.scroll { overflow-x: auto; scroll-margin-top: 70px; }
table { border-collapse: collapse; font-size: 13px; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 3px 7px; text-align: left; border-bottom: 1px solid var(--line); vertical-align: top; }
thead th { vertical-align: bottom; border-bottom: 2px solid var(--ink); padding: 0; }
tbody th { font-weight: 400; }
td { white-space: nowrap; }
[data-words] { white-space: normal; min-width: 5em; overflow-wrap: break-word; }
tbody th[data-words] { min-width: 14em; }
td:last-child { min-width: 8em; }
.number { text-align: right; }
td.out { font-weight: 700; text-decoration: underline; }
thead button { font: inherit; font-weight: 650; color: inherit; background: none; border: 0; padding: 5px 7px;
  width: 100%; text-align: inherit; cursor: pointer; }
thead button::after { content: " ↕"; color: var(--soft); }
[aria-sort="ascending"] button::after { content: " ↑"; color: inherit; }
[aria-sort="descending"] button::after { content: " ↓"; color: inherit; }
[hidden] { display: none !important; }
@media print { .scroll { overflow: visible; } table { font-size: 7pt; } th, td, thead button { padding: 1px 3px; } }
"""

SCRIPT = """
(function () {
  "use strict";
  const table = document.getElementById("table"), body = table.tBodies[0];
  const rows = Array.from(body.rows), heads = Array.from(table.tHead.rows[0].cells);
  const collator = new Intl.Collator(undefined, { numeric: true });
  function key(row, column) {
    const cell = row.cells[column], value = cell.dataset.value;
    return value === undefined ? cell.textContent : value === "" ? Infinity : Number(value);
  }
  heads.forEach(function (head, column) {
    head.firstElementChild.addEventListener("click", function () {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of heads) { other.setAttribute("aria-sort", "none"); }
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const keyed = rows.map(function (row) { return [key(row, column), row]; });
      keyed.sort(function (a, b) {
        const order = typeof a[0] === "number" ? (a[0] > b[0]) - (a[0] < b[0]) : collator.compare(a[0], b[0]);
        return down ? -order : order;
      });
      body.append.apply(body, keyed.map(function (pair) { return pair[1]; }));
    });
  });
  const texts = rows.map(function (row) {
    const cells = Array.from(row.cells).filter(function (cell) { return cell.dataset.words !== undefined; });
    return cells.map(function (cell) { return cell.textContent; }).join(" ").replaceAll(" · ", " ").toLowerCase();
  });
  const filter = document.getElementById("filter"), shown = document.getElementById("shown");
  const exams = Array.from(document.querySelectorAll(".exam"));
  function apply() {
    const words = filter.value.toLowerCase().split(/\\s+/).filter(Boolean), phrase = words.join(" ");
    const asTyped = texts.some(function (text) { return text.includes(phrase); });  // else in any order
    const wanted = asTyped ? [phrase] : words;
    let count = 0;
    rows.forEach(function (row, place) {
      row.hidden = !wanted.every(function (word) { return texts[place].includes(word); });
      document.getElementById("image-" + row.dataset.image).hidden = row.hidden;
      count += row.hidden ? 0 : 1;
    });
    for (const exam of exams) { exam.hidden = !exam.querySelector(".image:not([hidden])"); }
    shown.textContent = count + " of " + rows.length + (rows.length === 1 ? " image" : " images");
  }
  filter.addEventListener("input", apply);
  document.getElementById("tools").hidden = false;
  apply();
  document.documentElement.dataset.ready = "yes";
})();
"""

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
