"""The translation page: samples by a slider, losses and the table, offline, escaped, and working in a browser."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from medcl.figures.page import RESEARCH_USE
from medcl.figures.translation.epochs import evenly, panels_file, read_epoch_panels
from medcl.figures.translation.hallucination_table import TranslatedImage, hallucination_table
from medcl.figures.translation.page import TranslationPage, translation_page, write_translation_page
from medcl.figures.translation.panels import write_panels
from medcl.study.errors import BadInput
from tests.figures.quality.quality_cases import browsed
from tests.figures.segmentation.segmentation_cases import SvgChecker
from tests.figures.translation.translation_cases import CLASSES, NAMES, images, metrics, panel

WICKED = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder with the pictures of three epochs."""
    folder = tmp_path_factory.mktemp("run")
    for epoch in (10, 2, 30):
        write_panels(panels_file(folder, epoch), [panel()], CLASSES, f"after epoch {epoch}")
    return folder


def told(run: Path) -> TranslationPage:
    return TranslationPage(
        source="ct",
        target="mr",
        run="translate-ct-mr",
        head={"Epochs": "30"},
        panels=read_epoch_panels(run),
        rows=metrics(30),
        classes=NAMES,
        images=images(),
        target_means={"liver": 0.31},
        said=["2 images have no mask."],
        facts={"Seed": "0"},
    )


def test_the_page_is_whole_and_offline(run: Path) -> None:
    html = translation_page(told(run))
    checker = SvgChecker()
    checker.feed(html)
    assert checker.open == []
    assert not re.search(r'(src|href)="(?!data:|#)', html)
    assert re.findall(r'<section id="(\w+)"', html) == ["samples", "curves", "hallucination"]
    assert re.findall(r'<a href="#(\w+)"', html) == ["samples", "curves", "hallucination"]
    for words in (RESEARCH_USE, "Translation from ct to mr", "Zeng W", "ECCV 2020", "2 images have no mask.", "FID"):
        assert words in html


def test_the_newest_samples_come_first(run: Path) -> None:
    html = translation_page(told(run))
    assert re.findall(r'<figure data-epoch="(\d+)"><img src="data:image/png;base64,', html) == ["30", "10", "2"]
    one = translation_page(replace(told(run), panels=told(run).panels[:1]))
    assert 'type="range"' not in one
    assert 'data-epoch="2"' in one


def test_what_is_not_there_is_left_out() -> None:
    html = translation_page(TranslationPage("ct", "mr", "r", {}))
    assert "<section id=" not in html
    assert "<nav" not in html
    assert RESEARCH_USE in html


def test_what_users_wrote_is_escaped(run: Path) -> None:
    wicked = TranslatedImage(WICKED, 1.0, 0.1, {WICKED: (0.1, 0.2)})
    html = translation_page(
        replace(
            told(run), source=WICKED, target=WICKED, run=WICKED, head={WICKED: WICKED}, classes=[WICKED],
            images=[wicked], said=[WICKED], facts={WICKED: WICKED}, target_means={WICKED: 0.3},
        )
    )  # fmt: skip
    assert "<script>alert" not in html


def test_the_file_is_the_page(run: Path, tmp_path: Path) -> None:
    write_translation_page(tmp_path / "translation.html", told(run))
    assert (tmp_path / "translation.html").read_text(encoding="utf-8") == translation_page(told(run))


def test_pictures_are_read_in_the_order_of_their_epochs(run: Path) -> None:
    assert panels_file(run, 7).name == "epoch-0007.png"
    assert [each.epoch for each in read_epoch_panels(run)] == [2, 10, 30]
    assert [each.epoch for each in read_epoch_panels(run, 2)] == [2, 30]
    assert [each.epoch for each in read_epoch_panels(run, 1)] == [30]
    assert read_epoch_panels(run / "nowhere") == []


def test_other_files_are_no_pictures_and_a_damaged_one_is_named(run: Path, tmp_path: Path) -> None:
    (tmp_path / "panels").mkdir()
    (tmp_path / "panels" / ".unfinished-epoch-0001.png").write_bytes(b"half")
    (tmp_path / "panels" / "mine.png").write_bytes(b"half")
    assert read_epoch_panels(tmp_path) == []
    panels_file(tmp_path, 4).write_bytes(b"half")
    with pytest.raises(BadInput, match=r"epoch-0004\.png: cannot be read as a picture \(no PNG file"):
        read_epoch_panels(tmp_path)


def test_of_many_epochs_the_first_the_last_and_some_between_are_held() -> None:
    found = evenly(list(range(1, 401)), 12)
    assert (found[0], found[-1], len(found), len(set(found))) == (1, 400, 12, 12)
    assert max(b - a for a, b in pairwise(found)) < 40


def test_the_table_begins_with_what_kept_least_and_marks_what_is_at_chance() -> None:
    html = hallucination_table(images(), NAMES, {"liver": 0.31})
    rows = re.findall(r'<tr id="image-\d".*?</tr>', html)
    assert [re.findall(r"P\d", row)[0] for row in rows] == ["P2", "P1", "P3"]
    assert 'class="number out" data-value="0.2">0.200' in rows[0]
    assert html.count("number out") == 1
    assert "0.500 → 0.300" in rows[1]
    assert re.findall(r">–<", rows[2]) == [">–<"] * 3  # no chance value, no class


def test_the_table_ends_with_means_and_what_the_target_has() -> None:
    foot = hallucination_table(images(), NAMES, {"liver": 0.31}).split("<tfoot>")[1]
    assert re.findall(r"[\d.]+ → [\d.]+", foot) == ["0.600 → 0.250", "0.600 → 0.400"]
    assert re.findall(r'number">(\d\.\d+)<', foot) == ["0.600", "0.250", "0.310"]
    assert "Real target images" not in hallucination_table(images(), NAMES)
    assert hallucination_table([], NAMES) == ""


def test_the_slider_shows_one_epoch_and_the_filter_hides_rows(run: Path, tmp_path: Path) -> None:
    script = """
      const seen = function () {
        return Array.from(document.querySelectorAll("#samples figure:not([hidden])")).map((f) => f.dataset.epoch);
      };
      const found = [seen().join()], slider = document.getElementById("epoch");
      slider.value = 0; slider.dispatchEvent(new Event("input")); found.push(seen().join());
      found.push(document.getElementById("epoch-told").textContent);
      const filter = document.getElementById("filter");
      filter.value = "south"; filter.dispatchEvent(new Event("input"));
      found.push(document.getElementById("shown").textContent);
      document.querySelectorAll("#table thead button")[0].click();
      found.push(Array.from(document.querySelectorAll("#table tbody tr:not([hidden]) th")).map((h) => h.textContent));
      document.title = found.join("|");
    """
    page, complaints = browsed(translation_page(told(run)), script, tmp_path)
    assert complaints == []
    title = re.search(r"<title>(.*?)</title>", page)
    assert title is not None
    assert title[1] == "30|2|epoch 2|2 of 3 images|P2 · south,P3 · south"
