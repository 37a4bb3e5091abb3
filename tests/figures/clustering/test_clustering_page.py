"""The clustering page: every block when it is given, offline, escaped, without names where none are allowed."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from plotly.offline import get_plotlyjs

from medcl.figures.clustering.cluster import Cluster, Example
from medcl.figures.clustering.page import PARTS, clustering_page
from medcl.figures.clustering.reconstructions import Reconstruction
from medcl.figures.clustering.score_table import ScoreTable
from medcl.figures.clustering.stability import Agreement
from medcl.figures.clustering.strata import Strata, StratumRow
from medcl.figures.colouring import Colouring
from medcl.figures.page import RESEARCH_USE
from tests.figures.clustering.clustering_cases import (
    COUNT,
    MAPS,
    REBUILT,
    STRATA,
    clusters,
    example,
    points,
    shown,
    square,
    whole,
)
from tests.figures.quality.quality_cases import browsed
from tests.figures.segmentation.segmentation_cases import SvgChecker

WICKED = "<script>alert(1)</script>"
NAMES = re.compile(r"P\d{3}")


def own(html: str) -> str:
    """The page without the library."""
    return html.replace(get_plotlyjs(), "")


def sections(html: str) -> set[str]:
    return set(re.findall(r'<section id="([^"]+)"', html))


def data_of(html: str, name: str = "medcl-data") -> dict[str, Any]:
    found = re.search(rf'id="{name}">(.*?)</script>', html, re.S)
    assert found is not None
    made: dict[str, Any] = json.loads(found[1])
    return made


def test_the_page_is_whole_and_offline() -> None:
    html = own(whole())
    checker = SvgChecker()
    checker.feed(html)
    assert checker.open == []
    assert checker.tags.count("h1") == 1
    assert not re.search(r'(src|href)="(?!data:|#)', html)
    assert not re.search("https?:", html)
    assert RESEARCH_USE in html
    assert "<h1>Clusters of the images of cluster-seed0</h1>" in html
    assert "36 images of 6 patients in 3 clusters" in html
    assert "t-SNE, seed 0; PCA exact" in html
    assert whole() == whole()


def test_every_block_stands_where_it_is_given_and_has_a_link() -> None:
    assert sections(own(whole())) == set(PARTS)
    assert set(re.findall(r'href="#([^"]+)"', own(whole()))) == set(PARTS)


@pytest.mark.parametrize(
    ("part", "without"),
    [
        ("maps-of-features", {"maps": None}),
        ("prototypes", {"clusters": [Cluster("1", {"new": 3})] * 3}),
        ("strata", {"strata_found": None}),
        ("strata", {"strata_found": Strata(())}),
        ("elbow", {"numbers": None}),
        ("stability", {"agreements": ()}),
        ("reconstructions", {"reconstructed": ()}),
        ("scores", {"scores": [ScoreTable("none", ("a",), ())]}),
    ],
)
def test_a_block_without_content_is_left_out(part: str, without: dict[str, Any]) -> None:
    html = own(whole(**without))
    assert sections(html) == set(PARTS) - {part}
    assert f'href="#{part}"' not in html


def test_new_images_alone_need_little() -> None:
    html = clustering_page([Cluster("1", {"new": 3})], name="n", patients=2, command="cluster apply")
    assert sections(html) == {"sizes"}
    assert "medcl · cluster apply" in html
    assert "plotly" not in html


def test_patients_are_named_only_where_they_may_be() -> None:
    assert NAMES.search(own(whole()))
    assert not NAMES.search(own(whole(ids=False)))
    hidden = data_of(whole(maps=replace(shown(), points=points(ids=False))))
    assert not any(NAMES.search(text) for text in hidden["hover"])


def test_what_users_wrote_is_escaped() -> None:
    wicked = Example(square(2), WICKED, WICKED, WICKED)
    each = [Cluster(WICKED, {"train": 5}, square(1), (wicked,))] * 3
    row = StratumRow(WICKED, WICKED, (WICKED,) * 3, 0.5, WICKED, 0.5, 0, WICKED)
    classes = Colouring(WICKED, WICKED, "categorical", np.array([WICKED] * COUNT, dtype=object))
    wicked_points = replace(points(), patients=[WICKED] * COUNT, exams=[WICKED] * COUNT)
    html = own(
        whole(
            clusters=each,
            run=WICKED,
            name=WICKED,
            command=WICKED,
            maps=replace(shown(classes), points=wicked_points, notes=(WICKED,)),
            reconstructed=[Reconstruction(wicked, square(1), 0)],
            strata_found=Strata((row,), WICKED, WICKED),
            agreements=[Agreement(WICKED, (0.5,), 0.1, 0.9, WICKED)],
            scores=[ScoreTable(WICKED, (WICKED, WICKED), ((WICKED, WICKED),), WICKED)],
            head={WICKED: WICKED},
            facts={WICKED: WICKED},
            said=[WICKED],
        )
    )
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert "<b>&lt;script&gt;" in data_of(html)["panels"][0]["layout"]["annotations"][0]["text"]


def test_the_notes_tell_what_a_reader_must_know() -> None:
    html = own(whole())
    for words in (
        "Judge what goes along with the clusters by the held-out patients",
        "GFR is missing for 1 point of the map",
        "Only 12 rows.",
        "Drawn at random.",
        "no patient&#x27;s image",
        "Adjusted Rand index: how far",
    ):
        assert words in html, words
    assert "is missing for" not in own(whole(maps=shown(None)))
    assert "Adjusted Rand index: how far" not in own(whole(agreements=()))
    assert "marks repeat" not in html
    assert "Beyond 96 clusters marks repeat" in own(whole(clusters=clusters(97), strata_found=None))


def test_panels_can_be_reached_by_keyboard_and_are_told_in_words() -> None:
    html = own(whole())
    panels = re.findall(r'<div class="plot" id="(map-\d)" role="img" tabindex="0" aria-label="([^"]*)"', html)
    assert panels == [
        ("map-0", "t-SNE of 12 images, coloured by cluster"),
        ("map-1", "t-SNE of 12 images, coloured by GFR (mL/min/1.73 m²)"),
    ]
    assert html.count('type="radio"') == len(MAPS)
    regions = re.findall(r'<div class="scroll"([^>]*)>', html)
    assert len(regions) == 4  # sizes, strata, stability, scores
    assert all('tabindex="0"' in region and 'role="region"' in region for region in regions)
    assert all(re.search(r'alt="[^"]+"', tag) for tag in re.findall(r"<img [^>]*>", html))
    assert 'type="radio"' not in own(whole(maps=replace(shown(), maps=MAPS[:1])))


def test_without_a_variable_one_panel_stands() -> None:
    html = own(whole(maps=shown(None)))
    assert len(data_of(html)["panels"]) == 1
    assert html.count('class="plot"') == 1
    assert 'data-key="split-test"' in html


def test_hover_tells_cluster_and_variable_once() -> None:
    text = data_of(whole())["hover"][1]
    assert text == "<b>P000</b> · M3<br>Training patient<br>Cluster: 2<br>GFR: 27 mL/min/1.73 m²"


def test_a_page_of_600_pictures_is_small() -> None:
    noise = np.random.default_rng(0)
    many = [
        Cluster(str(k), {"train": 9}, None, tuple(Example(noise.random((28, 28)), f"P{n}") for n in range(30)))
        for k in range(20)
    ]
    assert len(own(whole(clusters=many, maps=shown(count=20), strata_found=None))) < 2e6


def test_two_sizes_of_image_and_reconstruction_are_refused() -> None:
    with pytest.raises(Exception, match="crop the padding"):
        Reconstruction(example(2), square(2, size=9))


def test_it_works_in_a_browser(tmp_path: Path) -> None:
    """Choosing a map moves the points, a button hides rows in both panels, and a zoom goes to the other panel."""
    script = """
      const plots = Array.from(document.querySelectorAll(".plot"));
      function tell(name, found) { document.body.dataset[name] = JSON.stringify(found); }
      function rows(plot) {
        const found = [];
        for (const trace of plot.data) {
          trace.meta.rows.forEach(function (row, place) { if (trace.x[place] !== null) { found.push(row); } });
        }
        return found.sort(function (a, b) { return a - b; });
      }
      function later(act) { setTimeout(act, 300); }
      tell("menu", !document.getElementById("maps").hidden);
      document.querySelector('input[name="map"][value="1"]').click();
      later(function () {
        tell("title", plots.map(function (plot) { return plot.layout.xaxis.title.text; }));
        tell("head", document.querySelector("#map-1-title").textContent);
        tell("label", plots[1].getAttribute("aria-label"));
        tell("first", plots.map(function (plot) {
          const trace = plot.data.find(function (each) { return each.meta.rows.includes(0); });
          return trace.x[trace.meta.rows.indexOf(0)];
        }));
        document.querySelector('button[data-key="cluster-0"]').click();
        later(function () {
          tell("rows", plots.map(rows));
          tell("names", plots[0].layout.annotations.map(function (each) { return each.text; }));
          document.querySelector('button[data-key="cluster-0"]').click();
          later(function () {
            tell("again", plots.map(rows).map(function (found) { return found.length; }));
            Plotly.relayout(plots[0], { "xaxis.range": [-1, 2] });
            later(function () { tell("zoom", plots[1].layout.xaxis.range); });
          });
        });
      });
    """
    html, console = browsed(whole(), script, tmp_path)
    assert console == []

    def told(name: str) -> Any:
        found = re.search(rf'data-{name}="([^"]*)"', html)
        assert found is not None, name
        return json.loads(unescape(found[1]))

    assert told("menu") is True
    assert told("title") == [MAPS[1].axes[0]] * 2
    assert told("head") == "Principal components: GFR (mL/min/1.73 m²)"
    assert told("label").startswith("Principal components of 12 images")
    assert told("first") == pytest.approx([MAPS[1].coordinates[0, 0]] * 2, abs=1e-3)
    assert told("rows") == [[row for row in range(COUNT) if row % 3]] * 2
    assert told("names") == ["<b>2</b>", "<b>3</b>"]
    assert told("again") == [COUNT, COUNT]
    assert told("zoom") == [-1, 2]


def test_held_out_reconstructions_are_marked() -> None:
    html = own(whole())
    assert html.count('<article class="held-out">') == 1
    assert "A thick frame marks" in html
    assert "A thick frame marks" not in own(whole(reconstructed=REBUILT[1:]))


def test_strata_need_no_other_block() -> None:
    html = clustering_page(clusters(), name="n", patients=2, strata_found=STRATA)
    assert sections(html) == {"prototypes", "strata", "sizes"}
