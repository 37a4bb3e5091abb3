"""The script that joins the two panels: choosing a map, hiding points in both, and moving both together."""

from __future__ import annotations

from typing import Any

from medcl.figures.plotly_panel import as_script_json

SCRIPT = """
(function () {
  "use strict";
  const told = JSON.parse(document.getElementById("medcl-maps").textContent);
  const plots = Array.from(document.querySelectorAll(".plot"));
  const keys = [];  // of each row, from all panels: a row that is hidden in one is hidden in both
  for (const plot of plots) {
    for (const trace of plot.data) {
      for (const row of trace.meta.rows) {
        keys[row] = keys[row] || new Set();
        for (const key of trace.meta.keys) { keys[row].add(key); }
      }
    }
  }
  let current = 0, busy = false;
  function hiddenKeys() {
    const off = document.querySelectorAll('button[data-key][aria-pressed="false"]');
    return new Set(Array.from(off, function (button) { return button.dataset.key; }));
  }
  function draw(change) {
    const hidden = hiddenKeys(), map = told.maps[current];
    const gone = keys.map(function (set) {
      return hidden.size > 0 && Array.from(set).some(function (key) { return hidden.has(key); });
    });
    busy = true;
    const done = plots.map(function (plot, place) {
      function along(axis) {
        return plot.data.map(function (trace) {
          return trace.meta.rows.map(function (row) { return gone[row] ? null : axis[row]; });
        });
      }
      const layout = Object.assign({}, change);
      if (place === 0) {
        const shown = map.labels.filter(function (label) { return !hidden.has(label.key); });
        layout.annotations = shown.map(function (label) {
          return Object.assign({}, told.label, { x: label.x, y: label.y, text: label.text });
        });
      }
      return Plotly.update(plot, { x: along(map.x), y: along(map.y) }, layout);
    });
    Promise.all(done).then(function () {
      busy = false;
      document.documentElement.dataset.map = map.method;
    });
  }
  for (const button of document.querySelectorAll("button[data-key]")) {
    button.addEventListener("click", function () { draw({}); });
  }
  function choose(place) {
    current = place;
    const map = told.maps[place];
    for (const name of document.querySelectorAll("[data-map-name]")) { name.textContent = map.name; }
    for (const words of document.querySelectorAll("[data-map-caption]")) { words.textContent = map.caption; }
    plots.forEach(function (plot, panel) { plot.setAttribute("aria-label", map.said[panel]); });
    const change = { "xaxis.autorange": true, "yaxis.autorange": true };
    ["xaxis", "yaxis"].forEach(function (axis, number) {
      change[axis + ".title.text"] = map.axes[number];
      change[axis + ".showticklabels"] = map.ticks;
      change[axis + ".ticks"] = map.ticks ? "outside" : "";
    });
    draw(change);
  }
  const menu = document.getElementById("maps");
  if (menu) {
    menu.addEventListener("change", function (event) { choose(Number(event.target.value)); });
    menu.hidden = false;
  }
  plots.forEach(function (plot, place) {
    plot.on("plotly_relayout", function (change) {
      const other = plots[1 - place], moved = {};
      for (const name of Object.keys(change)) {
        if (/^[xy]axis\\.(range|autorange)/.test(name)) { moved[name] = change[name]; }
      }
      if (busy || !other || !Object.keys(moved).length) { return; }
      busy = true;
      Plotly.relayout(other, moved).then(function () { busy = false; });
    });
  });
})();
"""


def map_script(maps: list[dict[str, Any]], label: dict[str, Any]) -> str:
    """Data and script as HTML, to stand after those of `plotly_panel`.

    Args:
        maps: of each method, name, caption, axes, ticks, said (one a panel), x, y (of all rows) and labels.
        label: how labels look.
    """
    data = as_script_json({"maps": maps, "label": label})
    return f'<script type="application/json" id="medcl-maps">{data}</script>\n<script>{SCRIPT}</script>'
