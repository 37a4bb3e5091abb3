"""Which paraphrases of a language model are kept, and what is said of the others."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medcl.study.paraphrases import LONGEST, Judged, Paraphrases, candidates_of
from medcl.study.prompt_rules import PromptRules, read_prompt_rules
from medcl.study.prompt_template import slots_of

TEMPLATE = "At the {exam} check-up graft function was {gfr}. The donor's age was {donor_age}."

RULES = f"""
templates = ["{TEMPLATE}", "Within 2 years the graft had {{gfr}} function, at {{exam}}.", "{{gfr}} it was."]
[slots.gfr]
variable = "gfr"
unit = "mL/min/1.73m2"
thresholds = [30]
words = ["low", ["high", "very good indeed"]]
[slots.exam]
variable = "exam"
words = {{ D15 = "two weeks", M3 = "third month" }}
[slots.donor_age]
variable = "donor_age"
unit = "years"
thresholds = [65]
words = ["low", "high"]
"""


@pytest.fixture
def rules(tmp_path: Path) -> PromptRules:
    (tmp_path / "prompts.toml").write_text(RULES, encoding="utf-8")
    return read_prompt_rules(tmp_path / "prompts.toml")


def judged(rules: PromptRules, text: str, template: str = TEMPLATE) -> Judged:
    return Paraphrases(rules).judge(template, text)


@pytest.mark.parametrize(
    "text",
    [
        "Graft function at the {exam} visit: {gfr}. Age of the donor: {donor_age}.",
        "I saw, at the {exam} exam, {gfr} function. {donor_age} was the donor's age",  # I is no Roman number
        "Le greffon, à {exam}, fonctionne de façon {gfr}. L'âge du donneur : {donor_age}.",
    ],
)
def test_a_right_paraphrase_is_kept(rules: PromptRules, text: str) -> None:
    assert judged(rules, text) == Judged(text, "", "")
    assert judged(rules, text).kept


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("Function at {exam} was {gfr}.", "lacks {donor_age}"),
        ("A {gfr} function, {gfr} at {exam}. Age {donor_age}.", "has {gfr} 2 times"),
        ("{exam}, {gfr}, {donor_age}, {screat}.", "has {screat}, which is no slot of the template"),
        ("{exam}, {GFR}, {donor_age}.", "lacks {gfr}; has {GFR}, which is no slot of the template"),
        ("{exam}, {gfr}, {donor_age} }.", "has a brace without its partner"),
        ("{exam}, {{gfr}}, {donor_age}.", "has a brace without its partner"),
        ("At {exam}, {gfr} function of 25. Donor {donor_age}.", "adds a number: '25'"),
        ("At {exam}, {gfr} (15-30) function. Donor {donor_age}.", "adds a number: '15', '30'"),
        ("At {exam}, {gfr} function, stage II. Donor {donor_age}.", "adds a number: 'ii'"),
        ("At {exam}, {gfr} function, stage V. Donor {donor_age}.", "adds a number: 'v'"),
        ("At {exam}, half {gfr} function. Donor {donor_age}.", "adds a number: 'half'"),
        ("Twenty-five: {exam}, {gfr} function. Donor {donor_age}.", "adds a number: 'twenty', 'five'"),
        ("At {exam}, < {gfr} function. Donor {donor_age} %.", "adds a number: '<', '%'"),
        ("At {exam}, ½ {gfr} function. Donor {donor_age} ٣.", "adds a number: '½', '٣'"),
        ("At {exam}, {gfr} x10 function. Donor {donor_age}.", "adds a number: '10'"),
        ("This rewrites it: {exam}, {gfr}, {donor_age}.", "speaks of the task: 'rewrit...'"),
        ("at the {exam}  CHECK-UP graft function was {gfr}. The donor's age was {donor_age}", "is template 1"),
        ("At the {exam} check-up, graft function was {gfr}; the donor's age was {donor_age}!", "is template 1"),
        ("{exam}\u200b, {gfr}, {donor_age}.", "has signs that cannot be seen"),
        ("{exam} \ud800, {gfr}, {donor_age}.", "has signs that cannot be seen"),
        ("{exam}, {gfr}, {donor_age}" + " and so on" * 20, "is too long for a prompt"),
    ],
)
def test_each_refusal_has_its_reason(rules: PromptRules, text: str, reason: str) -> None:
    found = judged(rules, text)
    assert not found.kept
    assert reason in found.reason


def test_all_reasons_are_told(rules: PromptRules) -> None:
    reason = judged(rules, "GFR 12 at {exam}.").reason
    assert reason == "lacks {gfr}; lacks {donor_age}; adds a number: '12'"


def test_numbers_of_the_template_may_stay_but_not_multiply(rules: PromptRules) -> None:
    template = rules.templates[1]
    assert judged(rules, "{gfr} function in 2 years, at {exam}.", template).kept
    assert "'2'" in judged(rules, "{gfr} function in 2 of 2 years, at {exam}.", template).reason
    assert "'two'" in judged(rules, "{gfr} function in two years, at {exam}.", template).reason
    assert "'12'" in judged(rules, "{gfr} function in 12 years, at {exam}.", template).reason


def test_slots_named_like_numbers_are_no_numbers(tmp_path: Path) -> None:
    text = RULES.replace("{gfr}", "{gfr_2}").replace("slots.gfr", "slots.gfr_2")
    (tmp_path / "p.toml").write_text(text, encoding="utf-8")
    rules = read_prompt_rules(tmp_path / "p.toml")
    assert judged(rules, "So it was: {gfr_2}.", rules.templates[2]).kept


def test_a_text_is_kept_once_for_all_templates(rules: PromptRules) -> None:
    judge = Paraphrases(rules)
    assert judge.judge(rules.templates[2], "Function: {gfr}.").kept
    again = judge.judge(rules.templates[2], "function   {gfr}")
    assert again.reason == "is not new: case, spaces and punctuation aside it is a paraphrase that was kept before"
    assert Paraphrases(rules).judge(rules.templates[2], "function {gfr}").kept, "another job knows nothing of it"


def test_a_refused_text_is_not_remembered(rules: PromptRules) -> None:
    judge = Paraphrases(rules)
    text = "Function at {exam}: {gfr}."
    assert not judge.judge(TEMPLATE, text).kept
    assert judge.judge("{exam} {gfr}", text).kept


def test_length_counts_the_longest_words_of_slots(rules: PromptRules) -> None:
    template = rules.templates[2]
    fitting = "{gfr}" + " word" * (LONGEST - 3)  # very good indeed
    assert judged(rules, fitting, template).kept
    assert (
        f"{LONGEST + 1} words and punctuation marks, at most {LONGEST}"
        in judged(rules, fitting + " w", template).reason
    )


def test_a_paraphrase_may_be_as_long_as_a_long_template(rules: PromptRules) -> None:
    template = "{gfr}" + " word" * (LONGEST + 10)
    assert judged(rules, template.replace("word", "term"), template).kept
    assert not judged(rules, template.replace("word", "term") + " more", template).kept


def test_joined_sentences_are_remarked(rules: PromptRules) -> None:
    found = judged(rules, "At {exam} function was {gfr}, the donor's age {donor_age}.")
    assert found.kept
    assert found.remark == "one sentence now says {exam} and {gfr} and {donor_age}: without one value all go"
    assert judged(rules, "At {exam} it was {gfr}. It was {donor_age}.").remark == "", "as in the template"


@pytest.mark.parametrize(
    ("answer", "texts"),
    [
        ("  A {gfr}.\n", ("A {gfr}.",)),
        ('Sure! Here is a paraphrase:\n\n"A { gfr }."', ("Sure! Here is a paraphrase:", "A {gfr}.")),
        ("Here's one: **A `{gfr}`.**", ("A {gfr}.",)),
        ("1. A {gfr}.\n2) B  {gfr}.\n- C {gfr}.", ("A {gfr}.", "B {gfr}.", "C {gfr}.")),
        ("<think>12 of {gfr}\nhm</think>\nA {gfr}.", ("A {gfr}.",)),
        ("« A {gfr}. »", ("A {gfr}.",)),
        ('"A" and "{gfr}"', ('"A" and "{gfr}"',)),
        ("Function: {gfr}.", ("Function: {gfr}.",)),
        ("{gfr}: a function.", ("{gfr}: a function.",)),
        ("", ("",)),
        (" \n\t\n", ("",)),
    ],
)
def test_what_models_write_around_a_text_goes(answer: str, texts: tuple[str, ...]) -> None:
    assert candidates_of(answer) == texts


@settings(max_examples=200, deadline=None)
@given(answer=st.text(alphabet='ab{}gfrexamdonor_age 12I%.\n"*`<think>/½é', max_size=80))
def test_whatever_is_answered_what_is_kept_has_each_slot_once(
    answer: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.getbasetemp() / "rules-of-paraphrases.toml"
    if not file.exists():
        file.write_text(RULES, encoding="utf-8")
    rules = read_prompt_rules(file)
    template = rules.templates[2]
    for text in candidates_of(answer + "{gfr}"):
        found = judged(rules, text, template)
        assert found.kept == (not found.reason)
        if found.kept:
            assert slots_of(found.text) == ("gfr",)
            assert text.replace("{gfr}", "").isprintable()
            assert not any(sign.isnumeric() or sign in "{}%" for sign in text.replace("{gfr}", ""))
