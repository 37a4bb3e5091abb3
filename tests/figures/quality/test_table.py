from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from medcl.figures.page import page
from medcl.figures.quality.card import cards
from medcl.figures.quality.image import QualityImage
from medcl.figures.quality.statistics import STATISTICS
from medcl.figures.quality.table import table, tools
from medcl.figures.sortable_table import STYLE
from tests.figures.quality.quality_cases import browsed, cohort
from tests.figures.test_page import Checker

WICKED = "<script>alert(1)</script>"
TELL = """
function tell(name) {
  const rows = Array.from(document.getElementById("table").tBodies[0].rows);
  const shown = rows.filter(function (row) { return !row.hidden; });
  document.body.dataset[name] = shown.map(function (row) { return row.dataset.image; }).join(" ");
}
function type(words) {
  const filter = document.getElementById("filter");
  filter.value = words;
  filter.dispatchEvent(new Event("input"));
}
function press(column) { document.querySelectorAll("#table thead button")[column].click(); }
"""


def whole(images: list[QualityImage]) -> str:
    return page("t", [tools(), cards(images), table(images, range(len(images)))], style=STYLE)


def told(html: str, name: str) -> list[int]:
    found = re.search(rf'data-{name}="([^"]*)"', html)
    assert found is not None
    return [int(place) for place in found[1].split()]


def test_rows_stand_in_the_given_order_with_the_exact_numbers() -> None:
    images = cohort(3)
    html = table(images, [2, 0, 1])
    assert re.findall(r'<tr data-image="(\d)"', html) == ["2", "0", "1"]
    first = re.findall(r'data-value="([^"]*)"', html)[: len(STATISTICS)]
    assert first == [f"{value:.6g}" for value in images[2].measured.values.values()]
    assert '<a href="#image-2">P1 · D15 · water</a>' in html


def test_the_table_is_whole_html_and_escaped() -> None:
    line = {"exam": WICKED, "sequence": WICKED, "modality": WICKED, "site": WICKED}
    html = tools() + table([replace(cohort(1, **line)[0], patient=WICKED)], [0])
    checker = Checker()
    checker.feed(html)
    assert checker.open == []
    assert checker.tags.count("script") == 1
    assert checker.tags.count("th") == checker.tags.count("button") + 1  # the row's own heading


def test_sorting_and_filtering_work_in_a_browser(tmp_path: Path) -> None:
    images = cohort(12, odd={7: 0.8})
    images[4] = replace(images[4], warnings=("Look.",))
    mean = 5
    script = (
        f"{TELL} press({mean}); tell('rising'); press({mean}); tell('falling'); press(0); tell('named');"
        "type('outlier'); tell('out'); type('M3 p1'); tell('words'); type('p1 m3'); tell('phrase');"
        "document.body.dataset.count = document.getElementById('shown').textContent;"
        "document.body.dataset.cards = Array.from(document.querySelectorAll('.image:not([hidden])'),"
        "  function (card) { return card.dataset.image; }).join(' ');"
        "document.body.dataset.exams = document.querySelectorAll('.exam:not([hidden])').length;"
        "type('nothing'); tell('none'); type(''); tell('all');"
    )
    html, console = browsed(whole(images), script, tmp_path)
    assert console == []
    assert 'data-ready="yes"' in html
    means = [image.measured.values["mean"] for image in images]
    rising = sorted(range(12), key=lambda place: means[place])
    assert told(html, "rising") == rising
    assert told(html, "falling") == rising[::-1]
    assert told(html, "named") == list(range(12))  # P0 to P5, D15 before M3
    assert told(html, "out") == [7]
    assert told(html, "words") == told(html, "phrase") == told(html, "cards") == [3]
    assert 'data-count="1 of 12 images"' in html
    assert 'data-exams="1"' in html
    assert told(html, "none") == []
    assert told(html, "all") == list(range(12))


def test_an_error_on_the_console_would_be_seen(tmp_path: Path) -> None:
    _, console = browsed(whole(cohort(2)), "nobody.knows();", tmp_path)
    assert len(console) == 1
    assert "nobody" in console[0]


def test_images_without_numbers_sort_last(tmp_path: Path) -> None:
    images = cohort(4)
    empty = dict.fromkeys(STATISTICS, float("nan"))
    images[1] = replace(images[1], measured=replace(images[1].measured, values=empty))
    html, console = browsed(whole(images), f"{TELL} press(5); tell('rising');", tmp_path)
    assert console == []
    assert told(html, "rising")[-1] == 1
