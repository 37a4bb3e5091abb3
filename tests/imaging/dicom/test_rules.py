"""Rules that name sequences by words of the series description."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcl.imaging.dicom.rules import LEAVE_OUT, SEQUENCES, fits, pattern_of, read_rule, rule_for, slug

RULES = [read_rule(text) for text in SEQUENCES]
OUT = [pattern_of(words) for words in LEAVE_OUT]


@pytest.mark.parametrize(
    ("description", "name"),
    [
        ("WATER: Ax LAVA-Flex tub", "tubular"),
        ("LAVA_FLEX ART", "arterial"),
        ("WATER: LAVA-Flex ss IV", "water"),
        ("lava temps artériel", "arterial"),
        ("LAVA phase tubulaire", "tubular"),
        ("T2 cartilage", None),
        ("heart cine", None),
        ("tube", None),
        ("", None),
    ],
)
def test_lava_flex_phases(description: str, name: str | None) -> None:
    rule = rule_for(description, 0, RULES)
    assert (rule.name if rule else None) == name


@pytest.mark.parametrize(
    "description", ["LOC", "3-plane loc", "Localizer", "Localiser 2", "Scout", "ASSET cal", "Dose Report"]
)
def test_localisers_are_known(description: str) -> None:
    assert fits(description, OUT)


@pytest.mark.parametrize("description", ["allocation", "T2 HASTE", "WATER: Ax LAVA-Flex tub", "block", "kidney", ""])
def test_images_are_no_localisers(description: str) -> None:
    assert not fits(description, OUT)


def test_the_first_rule_wins_and_a_phase_counts() -> None:
    rules = [read_rule(text) for text in ("water=dyn #1", "arterial=dyn # 2", "late = dyn", "other=dyn")]
    names = [rule.name if (rule := rule_for("t1 DYN vibe", phase, rules)) else "" for phase in range(4)]
    assert names == ["late", "water", "arterial", "late"]


@pytest.mark.parametrize("text", ["art", "=art", "art=", "a=*", "a=#2", "", "   =  "])
def test_what_is_no_rule_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="NAME=PATTERN"):
        read_rule(text)


@given(st.text(max_size=80))
def test_a_slug_is_a_plain_name_and_stays_what_it_is(text: str) -> None:
    made = slug(text)
    assert set(made) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert len(made) <= 40
    assert slug(made) == made


@given(st.text(min_size=1, max_size=30))
def test_no_text_breaks_a_pattern(text: str) -> None:
    pattern_of(text).search(slug(text))
