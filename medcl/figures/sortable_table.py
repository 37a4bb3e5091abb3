"""What the tables of every page share: how they look, and the script that sorts and filters the one of all images."""

from __future__ import annotations

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
