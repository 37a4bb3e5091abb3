"""Templates in words: what is said, what is dropped, and the grammar of what is left."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcl.study.prompt_rules import read_prompt_rules
from medcl.study.prompt_template import fill, sentences_of, slots_of, without_slots

TEXT = "At the {exam} visit GFR was {gfr}. {stability} creatinine. The donor's age: {donor_age}!"
WORDS = {"exam": "two weeks", "gfr": "very low", "stability": "stable", "donor_age": "high"}


def test_slots_and_the_rest() -> None:
    assert slots_of("{a} and { b }, {a}") == ("a", "b", "a")
    assert without_slots("x {a} y") == "x  y"
    assert slots_of("none") == ()


@pytest.mark.parametrize(
    ("template", "sentences"),
    [
        ("One. Two {a}? {b} three! 4 is four", ["One.", "Two {a}?", "{b} three!", "4 is four"]),
        ("GFR of 1.5 mL. no end here. End", ["GFR of 1.5 mL. no end here.", "End"]),
        ("It is approx. {gfr}. Dr. House, i.e. A. B.", ["It is approx. {gfr}.", "Dr. House, i.e. A.", "B."]),
        ("  Spaces \n and  lines.   {a} b. ", ["Spaces and lines.", "{a} b."]),
        ("Élan {a}. État {b}.", ["Élan {a}.", "État {b}."]),
    ],
)
def test_sentences(template: str, sentences: list[str]) -> None:
    assert sentences_of(template) == tuple(sentences)


def test_all_words() -> None:
    found = fill(TEXT, WORDS)
    assert found.text == "At the two weeks visit GFR was very low. Stable creatinine. The donor's age: high!"
    assert found.used == ("exam", "gfr", "stability", "donor_age")
    assert found.dropped == ()


@pytest.mark.parametrize(
    ("missing", "text", "dropped"),
    [
        (["gfr"], "Stable creatinine. The donor's age: high!", ("exam", "gfr")),
        (["exam"], "Stable creatinine. The donor's age: high!", ("exam", "gfr")),
        (["stability"], "At the two weeks visit GFR was very low. The donor's age: high!", ("stability",)),
        (["gfr", "stability"], "The donor's age: high!", ("exam", "gfr", "stability")),
        (["gfr", "stability", "donor_age"], "", ("exam", "gfr", "stability", "donor_age")),
    ],
)
def test_a_missing_word_drops_its_sentence(missing: list[str], text: str, dropped: tuple[str, ...]) -> None:
    found = fill(TEXT, {slot: word for slot, word in WORDS.items() if slot not in missing})
    assert (found.text, found.dropped) == (text, dropped)


def test_a_sentence_without_slots_stays_with_another_but_not_alone() -> None:
    template = "MRI of a graft. GFR is {gfr}."
    assert fill(template, {"gfr": "low"}).text == "MRI of a graft. GFR is low."
    assert fill(template, {}).text == ""


def test_a_slot_of_a_said_and_of_a_dropped_sentence_is_used() -> None:
    found = fill("{a} is here. {a} with {b}.", {"a": "x"})
    assert (found.text, found.used, found.dropped) == ("X is here.", ("a",), ("b",))


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{a} begins.", "Ökonomie begins."),
        ('"{a}" begins. ({a}) too.', '"Ökonomie" begins. (Ökonomie) too.'),
        ("it stays small: {a}.", "it stays small: ökonomie."),
    ],
)
def test_a_slot_that_begins_a_sentence_gets_a_capital_letter(template: str, text: str) -> None:
    assert fill(template, {"a": "ökonomie"}).text == text


@given(st.sets(st.sampled_from(sorted(WORDS))), st.integers(0, 9))
def test_the_grammar_of_every_shipped_template(missing: set[str], index: int) -> None:
    template = read_prompt_rules().templates[index]
    found = fill(template, {slot: word for slot, word in WORDS.items() if slot not in missing})
    assert set(found.used) == set(WORDS) - missing, "each slot has a sentence of its own"
    assert "  " not in found.text
    assert not re.search(r"[{}]|\bnan\b|\bNone\b| [.,!?]", found.text)
    for sentence in sentences_of(found.text):
        assert not sentence or (sentence[0].isupper() and sentence[-1] == "."), sentence
    for word in (WORDS[slot] for slot in missing):
        assert not re.search(rf"\b{word}\b", found.text, re.IGNORECASE) or word in "".join(found.used)
