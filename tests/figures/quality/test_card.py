from __future__ import annotations

import re
from dataclasses import replace

from medcl.figures.quality.card import cards, finding, shown
from tests.figures.quality.quality_cases import cohort

WICKED = "<script>alert(1)</script>"


def order(html: str) -> list[int]:
    return [int(place) for place in re.findall(r'data-image="(\d+)"', html)]


def test_the_exam_of_the_outlier_comes_first_with_its_phases_in_order() -> None:
    images = cohort(12, odd={9: 0.9})
    images[8] = replace(images[8], entry=replace(images[8].entry, exam="M3"))  # of the same exam, another sequence
    html = cards(images)
    assert order(html)[:2] == [8, 9]
    assert sorted(order(html)) == list(range(12))
    assert html.count('<section class="exam">') == 11
    assert order(cards(cohort(12))) == list(range(12))


def test_a_card_tells_sizes_spacing_and_findings() -> None:
    images = cohort(12, odd={3: 0.9})
    images[0] = replace(images[0], warnings=("Look at this.",))
    html = cards(images)
    assert "<dt>Voxels</dt><dd>6 × 8 × 10</dd>" in html
    assert "<dt>Spacing</dt><dd>3 × 2 × 1 mm</dd>" in html
    assert "<dt>Values</dt><dd>0 to 100</dd><dt>Median</dt><dd>50</dd>" in html
    assert "Stored" not in html
    assert "<dt>Stored</dt><dd>3 × 2 × 1 mm</dd>" in cards(cohort(1, source_spacing=(3.0, 0.5, 0.5)))
    assert "<li>Look at this.</li>" in html
    assert html.count("Outlier: mean 0.8") == 1  # 0.9, clipped at 0.99
    assert "Outlier" not in cards(cohort(12))


def test_findings_are_signed_sentences() -> None:
    low = cohort(12, odd={3: 0.2})[3]
    assert re.fullmatch(r"Outlier: mean 0\.[12]\d*, far below the others \(z = −[\d.]+\)\.", finding(low, "mean"))
    assert shown(low, "empty") == "0.0%"


def test_pictures_are_decoded_late_and_described() -> None:
    html = cards(cohort(2))
    images = re.findall(r"<img [^>]*>", html)
    assert len(images) == 2
    assert all('loading="lazy"' in image and 'decoding="async"' in image for image in images)
    assert 'alt="Axial, coronal and sagittal plane of P0 · D15 · water"' in images[0]


def test_histograms_are_as_high_as_the_greatest_count() -> None:
    image = cohort(1)[0]
    flat = replace(image, measured=replace(image.measured, histogram=(0, 4, 1) + (0,) * 37))
    assert 'd="M0 34H0V34H2V0H4V17H6V34' in cards([flat])


def test_what_users_wrote_is_escaped() -> None:
    line = {"exam": WICKED, "sequence": WICKED, "modality": WICKED, "site": WICKED}
    image = replace(cohort(1, **line)[0], patient=WICKED, warnings=(WICKED,))
    assert "<script" not in cards([image])
