"""The evaluation page: worst cases first, what a card tells, and that it works in a browser, offline."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from medcl.figures.page import RESEARCH_USE
from medcl.figures.segmentation.case import DrawnClass, ScoredCase, millilitres, shown, worst_first
from medcl.figures.segmentation.page import segmentation_page
from tests.figures.quality.quality_cases import browsed
from tests.figures.segmentation.segmentation_cases import CLASSES, TITLES, SvgChecker, case, scored, summary

WICKED = "<script>alert(1)</script>"
NAN = float("nan")
CASES = [
    case("P1 · ED", 0.9, 3.0, "train"),
    case("P1 · ES", 0.5, 8.0),
    case("P2 · ED", NAN, NAN, empty="both"),
    case("P2 · ES", 0.5, 9.0, empty="prediction", remark="No image was given."),
    case("P3 · ED", 0.7, 4.0),
]
ORDER = [3, 1, 4, 0, 2]


def made(cases: list[ScoredCase], **changed: object) -> str:
    plain = {"titles": TITLES, "people": 3, "about": {"Dice": "overlap."}, "head": {"Run": "r"}, "facts": {"Seed": "0"}}
    return segmentation_page(cases, CLASSES, summary(), **(plain | changed))  # type: ignore[arg-type]


def test_the_worst_come_first_and_undefined_ones_last() -> None:
    assert worst_first(CASES) == ORDER
    html = made(CASES)
    assert [int(place) for place in re.findall(r'<article[^>]* data-image="(\d)"', html)] == ORDER
    assert [int(place) for place in re.findall(r'<tr data-image="(\d)"', html)] == ORDER


def test_the_page_is_whole_and_offline() -> None:
    html = made(CASES)
    checker = SvgChecker()
    checker.feed(html)
    assert checker.open == []
    assert checker.tags.count("article") == len(CASES)
    assert not re.search(r'(src|href)="(?!data:|#)', html)
    assert RESEARCH_USE in html
    assert "5 cases of 3 patients; mean Dice 0.800 (95% interval 0.700 to 0.900)." in html


def test_a_card_tells_the_metrics_what_is_empty_and_the_remark() -> None:
    html = made(CASES)
    articles = dict(zip(ORDER, re.findall(r"<article.*?</article>", html), strict=True))
    assert '<td class="number">0.900</td><td class="number">3.00</td>' in articles[0]
    assert "Training patient" in articles[0]
    assert '<th scope="col" class="number">HD95 mm</th>' in articles[0]
    assert "not in the prediction: Dice 0, distances are the image&#x27;s diagonal" in articles[3].replace(
        "'", "&#x27;"
    )
    assert "No image was given." in articles[3]
    assert "in neither mask: undefined, left out of means" in articles[2]
    assert "mean Dice –" in articles[2]


def test_every_plane_is_drawn_three_times_and_each_outline_stands_once() -> None:
    article = re.findall(r"<article.*?</article>", made(CASES[:1]))[0]
    assert article.count("<figure>") == 9
    assert article.count("<image ") == 3
    names = re.findall(r'id="([itp]0-[^"]*)"', article)
    assert len(names) == len(set(names))
    assert set(re.findall(r'href="#([^"]*)"', article)) <= set(names)
    assert 'class="line dashed"' in article
    assert 'aria-label="Prediction, coronal' in article


def test_distances_that_stand_for_an_empty_mask_are_not_drawn() -> None:
    html = made(CASES)
    assert "Without 1 case in which a class is in one of the masks only." in html
    assert html.count("P2 · ES: 9</title>") == 1  # its other class
    assert "Without" not in made(CASES[:2])


def test_a_class_without_a_distance_has_no_row_and_is_named() -> None:
    html = made([case("P1", 0.5, empty="prediction"), case("P2", 0.6, empty="truth")])
    dice, hd95 = re.findall(r"<figure><h3>.*?</figure>", html)
    assert ">right ventricle</text>" in dice
    assert ">right ventricle</text>" not in hd95
    assert "Without a value: right ventricle, mean over classes." in hd95
    assert ">left ventricle</text>" in hd95


def test_what_users_wrote_is_escaped() -> None:
    wicked = replace(case(WICKED, 0.5, split=WICKED, remark=WICKED))
    html = made([wicked], head={WICKED: WICKED}, said=[WICKED])
    assert "<script>alert" not in html
    rows, kinds = [replace(row, name=WICKED) for row in summary()], [DrawnClass(WICKED, WICKED)] * 2
    html = segmentation_page([wicked], kinds, rows, titles=TITLES, people=1, about={}, head={}, facts={})
    assert "<script>alert" not in html


def test_numbers_are_short() -> None:
    assert [shown("dice", value) for value in (1.0, 0.12345, NAN)] == ["1.000", "0.123", "–"]
    assert [millilitres(volume) for volume in (0.0, 0.01234, 45.67, 99.97, 2734.4)] == [
        "0", "0.0123", "45.7", "100", "2,734",
    ]  # fmt: skip
    assert [shown("hd_mm", value) for value in (0.0, 3.456, 123.4)] == ["0.00", "3.46", "123.4"]


def test_it_works_in_a_browser(tmp_path: Path) -> None:
    script = """
      function tell(name, found) { document.body.dataset[name] = found; }
      function shown() {
        return Array.from(document.querySelectorAll(".case:not([hidden])"), (card) => card.dataset.image).join(" ");
      }
      function type(words) {
        const filter = document.getElementById("filter");
        filter.value = words;
        filter.dispatchEvent(new Event("input"));
      }
      type("p1"); tell("one", shown()); type("empty"); tell("empty", shown()); type("train"); tell("train", shown());
      type("");
      document.querySelectorAll("#table thead button")[2].click();
      const rows = Array.from(document.getElementById("table").tBodies[0].rows);
      tell("sorted", rows.map((row) => row.dataset.image).join(" "));
      tell("count", document.getElementById("shown").textContent);
      const box = document.getElementById("show-fill"), fill = document.querySelector(".case .fill");
      tell("before", getComputedStyle(fill).display);
      box.click();
      tell("after", getComputedStyle(fill).display);
      const line = document.querySelector(".case .line.dashed");
      tell("dashes", getComputedStyle(line).strokeDasharray);
    """
    html, console = browsed(made(CASES), script, tmp_path)
    assert console == []
    for name, wanted in (
        ("one", "1 0"), ("empty", "3 2"), ("train", "0"), ("sorted", "3 1 4 0 2"), ("count", "5 of 5 images"),
        ("after", "none"),
    ):  # fmt: skip
        assert f'data-{name}="{wanted}"' in html, name
    assert 'data-before="none"' not in html
    assert 'data-dashes="none"' not in html


@pytest.mark.parametrize("classes", [1, 8])
def test_one_class_or_many(classes: int) -> None:
    """One class needs no mean over classes; eight leave no room for a distance each."""
    kinds = [DrawnClass(f"label {n}", "#000000") for n in range(classes)]
    each = replace(case("P1", 0.5), classes=tuple(scored(0.5) for _ in kinds), views=())
    html = segmentation_page([each], kinds, [summary()[0]] * (classes + 1),
                             titles=TITLES, people=1, about={}, head={}, facts={})  # fmt: skip
    assert ("Dice label 0" in html) == (classes > 1)
    assert "HD95 mm label 0" not in html
