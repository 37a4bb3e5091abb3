from __future__ import annotations

import re
import time
from pathlib import Path

import numpy as np

from medcl.figures.quality.image import judged
from medcl.figures.quality.measure import measure
from medcl.figures.quality.page import quality_page, reading_notes
from medcl.figures.quality.statistics import STATISTICS
from medcl.imaging.recipe import Recipe
from tests.figures.quality.quality_cases import browsed, cohort, entry
from tests.figures.test_page import Checker

WICKED = "<script>alert(1)</script>"
MANY = 500
MOST_BYTES = 10_000_000
MOST_SECONDS = 60.0  # some 5 on a core that is not shared


def made(images: list, **changed: object) -> str:
    plain = {"store": "preprocessed/default", "data": "abc"}
    return quality_page(images, Recipe((6, 8, 10)), **(plain | changed))  # type: ignore[arg-type]


def test_the_page_is_whole_and_offline() -> None:
    html = made(cohort(10))
    checker = Checker()
    checker.feed(html)
    assert checker.open == []
    assert checker.tags.count("h1") == 1
    assert checker.tags.count("figure") == 10
    assert not re.search(r'(src|href)="(?!data:|#)', html)


def test_the_head_tells_store_recipe_sizes_and_counts() -> None:
    html = made(cohort(10))
    for words in (
        "preprocessed/default",
        "cropped or padded with 0 to 6 × 8 × 10 (z y x) = 10 × 8 × 6 (x y z) voxels",
        "3 × 2 × 1 (z y x) = 1 × 2 × 3 (x y z) mm",
        "10 images of 5 patients",
        "D15 5, M3 5",
        "water 10",
    ):
        assert words in html


def test_outliers_are_counted_in_the_head_and_first_in_cards_and_table() -> None:
    html = made(cohort(12, odd={7: 0.8}))
    assert "Images: first 1 outlier" in html
    assert re.findall(r'<tr data-image="(\d+)"', html)[0] == "7"
    assert re.findall(r'<figure class="image" id="image-(\d+)"', html)[0] == "7"
    twin = made(cohort(12))
    assert "Images, as they come in the cohort" in twin
    assert re.findall(r'<tr data-image="(\d+)"', twin)[0] == "0"


def test_what_was_left_out_is_told_with_its_reason() -> None:
    html = made(cohort(2), left_out=[("P9 · M3", f"is damaged {WICKED}")], said=["One more thing."])
    assert "Left out: 1 image" in html
    assert "P9 · M3: is damaged &lt;script&gt;" in html
    assert "One more thing." in html
    assert "Left out:" not in made(cohort(2))


def test_every_statistic_is_explained() -> None:
    said = reading_notes(20)
    assert all(any(note.startswith(f"{each.title}: ") for note in said) for each in STATISTICS.values())
    assert any("not sought among fewer than 8" in note for note in reading_notes(7))
    assert not any("not sought" in note for note in said)


def test_five_hundred_images_make_a_small_page_that_opens(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    shape = (24, 32, 32)
    volumes = [random.normal(0.5, 0.1, shape).clip(0.01, 0.99).astype(np.float32) for _ in range(5)]
    lines = [entry(number, shape=shape) for number in range(MANY)]
    start = time.monotonic()
    found = [measure(volumes[number % 5], None, line) for number, line in enumerate(lines)]
    html = made(judged([line.patient for line in lines], lines, found))
    assert time.monotonic() - start < MOST_SECONDS
    assert len(html) < MOST_BYTES
    assert html.count("<figure") == MANY
    script = """
      document.body.dataset.opened = performance.now();
      location.hash = "all";
      setTimeout(function () {
        document.body.dataset.jumped = Math.round(document.getElementById("all").getBoundingClientRect().top);
      }, 500);
    """
    seen, console = browsed(html, script, tmp_path)
    assert console == []
    opened = re.search(r'data-opened="([\d.]+)"', seen)
    assert opened is not None
    assert float(opened[1]) < 1000 * MOST_SECONDS
    jumped = re.search(r'data-jumped="(-?\d+)"', seen)
    assert jumped is not None
    assert 0 <= int(jumped[1]) < 200  # below the filter's bar, whatever stands above
