"""The whole page: offline, telling, honest about training patients, and drawn without error."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from plotly.offline import get_plotlyjs

from medcl.figures.colouring import Colouring
from medcl.figures.embedding_page import embedding_page
from medcl.figures.maps import Map
from medcl.figures.plotly_panel import as_script_json
from medcl.figures.points import Points

PCA = Map("pca", np.arange(8.0).reshape(4, 2), ("PC1 (80.0 % of variance)", "PC2 (10.0 % of variance)"), "PCA exact")
UMAP = Map("umap", np.arange(8.0).reshape(4, 2), ("UMAP 1", "UMAP 2"), "UMAP, seed 0", notes=["Only 4 rows."])
CREATININE = Colouring("screat", "umol/L", "numeric", np.array([60.0, 150, np.nan, 250]))
GFR = Colouring("gfr", "mL/min/1.73m2", "numeric", np.array([90.0, 60, 50, 20]))


def points(splits: tuple[str, ...] = ("train", "train", "val", "test"), show_ids: bool = True) -> Points:
    names = ["P001", "P001", "P002", "</script><b>"]
    return Points(names, ["D15", "M3", "D15", "D15"], ["water"] * 4, list(splits), [CREATININE, GFR], show_ids)


def made(colouring: Colouring = CREATININE, **changes: object) -> str:
    settings: dict[str, object] = {
        "name": "a-screat",
        "run": "variable-gfr",
        "trained_on": "gfr",
        "facts": {"Seed": "7"},
    }
    shown = changes.pop("points", points())
    return embedding_page(shown, colouring, [PCA, UMAP], **(settings | changes))  # type: ignore[arg-type]


def own(html: str) -> str:
    """The page without the library."""
    assert html.count(get_plotlyjs()) == 1, "plotly stands in the page once"
    return html.replace(get_plotlyjs(), "")


def data_of(html: str) -> dict:  # type: ignore[type-arg]
    return json.loads(re.search(r'id="medcl-data">(.*?)</script>', html, re.S)[1])


def assert_offline(html: str) -> None:
    assert not re.findall(r"""(?:src|href|action|url|import)\s*[=(]\s*["']?\s*(?:https?:)?//""", html, re.I)
    assert not re.search("https?:", html)
    assert "Content-Security-Policy" in html


def test_offline() -> None:
    assert_offline(own(made()))
    with pytest.raises(AssertionError):
        assert_offline(own(made()).replace("<body>", '<body><script src="//cdn.example/plotly.js"></script>'))


def test_no_chart_can_be_sent_to_a_server() -> None:
    html = own(made())
    assert "modeBarButtons:" in html
    assert 'plotlyServerURL: ""' in html
    assert "sendChartToCloud" not in html


def test_page_tells_run_counts_settings_and_variance() -> None:
    html = own(made())
    assert "<h1>Serum creatinine across the features of variable-gfr</h1>" in html
    assert "4 images of 3 patients" in html
    assert "PCA exact; UMAP, seed 0; all fitted on every row shown" in html
    assert "<dt>Seed</dt><dd>7</dd>" in html
    assert "Research use only" in html
    assert data_of(html)["panels"][0]["layout"]["xaxis"]["title"]["text"] == "PC1 (80.0 % of variance)"
    assert [panel["id"] for panel in data_of(html)["panels"]] == ["map-pca", "map-umap"]
    assert "Only 4 rows." in html


def test_hover_stands_once_and_every_trace_finds_its_own() -> None:
    data = data_of(own(made()))
    assert len(data["hover"]) == 4
    for panel in data["panels"]:
        rows = sorted(row for trace in panel["traces"] for row in trace["meta"]["rows"])
        assert rows == [0, 1, 2, 3]
    assert data["hover"][0] == (
        "<b>P001</b> · D15 · water<br>Training patient<br>Serum creatinine: 60 µmol/L<br>GFR: 90 mL/min/1.73 m²"
    )
    assert "Serum creatinine: missing" in data["hover"][2]


def test_circularity_is_said_in_words() -> None:
    assert "order the training patients by GFR" in own(made())
    assert "circular and shows nothing" in own(made(GFR))
    assert "has seen the training patients" in own(made(trained_on=""))
    assert "no evidence" in own(made(points=points(("train", "train", "val", "val"))))
    assert "no evidence" not in own(made())
    assert "training patients" not in own(made(points=points(("test",) * 4)))


def test_creatinine_note_names_the_abnormal_side() -> None:
    assert "above about 100 µmol/L (1.1 mg/dL), is the abnormal side" in own(made())
    assert "abnormal" not in own(made(GFR))
    milligrams = Colouring("screat", "mg/dL", "numeric", np.array([0.7, 1.7, np.nan, 2.8]))
    assert "abnormal side" in own(made(milligrams))
    assert "raised →" in own(made())
    assert "raised →" not in own(made(milligrams))
    assert "raised →" not in own(made(replace(CREATININE, name="screat@365+-60:sd")))


def test_missing_values_are_counted() -> None:
    assert "Serum creatinine is missing for 1 image of 1 patient" in own(made())
    assert "is missing for" not in own(made(GFR))


def test_no_ids() -> None:
    assert "P001" in own(made())
    assert "P001" not in own(made(points=points(show_ids=False)))


def test_wicked_names_stay_text() -> None:
    html = own(made())
    assert "</script><b>" not in html
    assert data_of(html)["hover"][3].startswith("<b>&lt;/script&gt;&lt;b&gt;</b>")
    assert "<" not in as_script_json({"a": "</script>", "b": "\u2028"})


def test_same_input_same_page() -> None:
    assert made() == made()
