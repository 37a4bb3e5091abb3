"""Plotly maps in a page: the library once, the data once, and the few lines of script that draw and toggle.

Hover texts stand once for all panels; each trace names its rows. The library comes from the installed plotly
package, so a page needs no network.
"""

from __future__ import annotations

import json
from typing import Any

from medcl.figures.scatter import Trace

STYLE = """
.panels { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(430px, 100%), 1fr));
  gap: 18px 26px; }
.panels figure { position: relative; }
.panels h2 { position: absolute; top: 5px; left: 0; margin: 0; z-index: 1; }
.plot { aspect-ratio: 4 / 3; min-height: 340px; max-height: 560px; }
.panels figure:only-child .plot { aspect-ratio: auto; height: 560px; }  /* which would hold its width to 4/3 of that */
@media print {
  .panels { display: block; }  /* a drawn map keeps its size on screen, which fits a page's width */
  .panels figure { margin-bottom: 16px; }
  .plot, .panels figure:only-child .plot { aspect-ratio: auto; height: auto; min-height: 0; max-height: none; }
  .plot .svg-container > .main-svg:first-child { position: relative !important; display: block; }  /* has the height */
  .modebar-container { display: none !important; }
}
"""

SCRIPT = """
(function () {
  "use strict";
  const data = JSON.parse(document.getElementById("medcl-data").textContent);
  // The buttons are named one by one: newer plotly.js offers to send charts to a server by itself.
  const config = { displaylogo: false, responsive: true, scrollZoom: true, displayModeBar: "hover",
    plotlyServerURL: "",
    modeBarButtons: [["toImage"], ["zoom2d", "pan2d"], ["zoomIn2d", "zoomOut2d", "resetScale2d"]],
    toImageButtonOptions: { format: "svg", filename: data.name } };
  const plots = data.panels.map(function (panel) {
    const place = document.getElementById(panel.id);
    for (const trace of panel.traces) {
      trace.text = trace.meta.rows.map(function (row) { return data.hover[row]; });
    }
    Plotly.newPlot(place, panel.traces, panel.layout, config);
    return place;
  });
  const hidden = new Set();
  function show() {
    for (const plot of plots) {
      const visible = plot.data.map(function (trace) {
        return !trace.meta.keys.some(function (key) { return hidden.has(key); });
      });
      Plotly.restyle(plot, { visible: visible });
    }
  }
  for (const button of document.querySelectorAll("button[data-key]")) {
    button.addEventListener("click", function () {
      const key = button.dataset.key;
      if (!hidden.delete(key)) { hidden.add(key); }
      button.setAttribute("aria-pressed", String(!hidden.has(key)));
      show();
    });
  }
  document.documentElement.dataset.drawn = "yes";
})();
"""


def panel(identity: str, traces: list[Trace], layout: dict[str, Any]) -> dict[str, Any]:
    """One map's data, drawn into the element with this id."""
    return {"id": identity, "traces": traces, "layout": layout}


def scripts(name: str, hover: list[str], panels: list[dict[str, Any]]) -> str:
    """The data, the library and the drawing script as HTML, for the end of a page's body.

    Args:
        name: file name, without ending, under which the browser saves a picture.
        hover: (N,) texts that the traces' rows point into.
        panels: made by `panel`.
    """
    from plotly.offline import get_plotlyjs

    data = as_script_json({"name": name, "hover": hover, "panels": panels})
    return (
        f'<script type="application/json" id="medcl-data">{data}</script>\n'
        f"<script>{get_plotlyjs()}</script>\n<script>{SCRIPT}</script>"
    )


def as_script_json(data: Any) -> str:
    """JSON that cannot end the script element it stands in, whatever users wrote."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
