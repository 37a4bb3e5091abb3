"""Rules of prompts: the shipped ones, other forms, and everything that is refused."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from medcl.study.errors import BadInput
from medcl.study.folder import Study
from medcl.study.prompt_rules import SHIPPED, find_prompt_rules, read_prompt_rules
from medcl.study.prompt_template import slots_of

PROJECT = Path(__file__).parents[2]
GOOD = """\
templates = ["GFR was {gfr} at the {exam} visit.", "It is {gfr}."]

[slots.gfr]
variable = "eGFR"
unit = "mL/min"
thresholds = [15, 30.5]
words = ["low", ["middle", "medium"], "high"]

[slots.exam]
variable = "exam"
words = { D15 = "two weeks", "3 months" = ["third month"] }
"""

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(text: str) -> Path:
        (tmp_path / "rules.toml").write_text(text, encoding="utf-8")
        return tmp_path / "rules.toml"

    return written


def problems(file: Path) -> list[str]:
    with pytest.raises(BadInput) as caught:
        read_prompt_rules(file)
    return [problem.removeprefix(f"{file}: ") for problem in caught.value.problems]


def test_a_file_of_rules(write: Write) -> None:
    rules = read_prompt_rules(write(GOOD))
    assert rules.templates == ("GFR was {gfr} at the {exam} visit.", "It is {gfr}.")
    assert list(rules.slots) == ["gfr", "exam"]
    gfr, exam = rules.slots.values()
    assert (gfr.variable, gfr.unit, gfr.thresholds) == ("eGFR", "mL/min", (15.0, 30.5))
    assert gfr.words == (("low",), ("middle", "medium"), ("high",))
    assert (gfr.statistic, gfr.at_threshold) == ("", "higher")
    assert exam.words == {"D15": ("two weeks",), "3 months": ("third month",)}
    assert not rules.shipped


def test_the_shipped_rules_are_ten_templates_that_speak_of_everything() -> None:
    rules = read_prompt_rules()
    assert rules.shipped
    assert len(rules.templates) == 10
    assert all(sorted(slots_of(template)) == sorted(rules.slots) for template in rules.templates)
    assert all(len(template.split()) < 50 for template in rules.templates), "77 tokens is the encoder's most"
    assert rules.slots["stability"].statistic == "sd"


def test_the_shipped_rules_are_installed_with_the_package() -> None:
    declared = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["medcl"]
    assert str(SHIPPED.relative_to(PROJECT / "medcl")) in declared


def test_a_study_has_its_own_rules_or_the_shipped_or_those_given(write: Write, tmp_path: Path) -> None:
    study = Study(tmp_path / "study")
    study.root.mkdir()
    assert find_prompt_rules(study).shipped
    (study.root / "prompts.toml").write_text(GOOD)
    assert find_prompt_rules(study).file == study.root / "prompts.toml"
    assert find_prompt_rules(study, write(GOOD)).file == tmp_path / "rules.toml"
    (study.root / "other.toml").write_text(GOOD)
    assert find_prompt_rules(study, Path("other.toml")).file == study.root / "other.toml"
    with pytest.raises(BadInput, match=r"none\.toml: no such file; expected rules of prompts"):
        find_prompt_rules(study, Path("none.toml"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[15, 30.5]", "[30.5, 15]", "[slots.gfr]: thresholds overlap: 30.5 comes before 15; write"),
        ("[15, 30.5]", "[15, 15]", "[slots.gfr]: thresholds overlap: 15 stands twice; write each once"),
        ("[15, 30.5]", "[15]", "[slots.gfr]: 1 thresholds divide values into 2 ranges, but words has 3"),
        ("[15, 30.5]", "[]", "[slots.gfr]: thresholds is [], expected numbers from low to high"),
        ("[15, 30.5]", "15", "[slots.gfr]: thresholds is 15, expected numbers from low to high"),
        ("[15, 30.5]", "[15, nan]", "[slots.gfr]: thresholds is [15, nan], expected numbers"),
        ("[15, 30.5]", "[true, 30]", "[slots.gfr]: thresholds is [True, 30], expected numbers"),
        ("thresholds = [15, 30.5]\n", "", "[slots.gfr]: a list of words needs thresholds; for classes"),
        ("thresholds", "treshold", "[slots.gfr]: unknown key 'treshold'; did you mean thresholds?"),
        ('variable = "eGFR"', "", '[slots.gfr]: variable is None, expected the name of a column, as variable = "gfr"'),
        ('"eGFR"', '"gfr@365"', "[slots.gfr]: variable 'gfr@365' says no width"),
        ('"eGFR"\nunit = "mL/min"', '"creatinine"', "[slots.gfr]: unit is missing: creatinine is known in several"),
        ('"mL/min"', "3", "[slots.gfr]: unit is 3, expected a text in quotes"),
        ('"mL/min"', '"mL/min"\nstatistic = "range"', "[slots.gfr]: statistic is 'range', expected sd or mean"),
        ('"eGFR"', '"gfr@M3"\nstatistic = "sd"', "[slots.gfr]: statistic = 'sd' is over all of a patient's values,"),
        ('"mL/min"', '"mL/min"\nat_threshold = "up"', "[slots.gfr]: at_threshold is 'up', expected higher or lower"),
        ('["low", ["middle", "medium"], "high"]', "[]", "[slots.gfr]: words is [], expected a word for each range"),
        ('"low", [', '"", [', "[slots.gfr]: words 1 is '', expected a text, or a list of synonyms"),
        ('["middle", "medium"]', "[]", "[slots.gfr]: words 2 is [], expected a text, or a list of synonyms"),
        ('"medium"]', '"Middle "]', "[slots.gfr]: words 2: ['middle', 'Middle '] has a synonym twice"),
        ('"high"]', '"{high}"]', "[slots.gfr]: words 3: slots stand in templates, not in words"),
        ('"high"]', "7]", "[slots.gfr]: words 3 is 7, expected a text"),
        ('"exam"', '"exam"\nunit = "d"', "[slots.exam]: unit is for numbers, but words has classes"),
        ("D15 =", '"15 days" = "half a month", D15 =', "[slots.exam]: words: '15 days' and 'D15' are one class"),
        ("D15 =", '" " = "x", D15 =', "[slots.exam]: words has a class without a name"),
        ("[slots.exam]", "[slots.Exam]", "[slots.Exam]: a slot is named with small letters"),
        ("[slots.gfr]", "[slot.gfr]", "unknown key 'slot'; known are templates and the tables [slots.NAME]."),
        ('"It is {gfr}."', '"It is {gfr}.", 3', "template 3 is 3, expected a text with slots in braces."),
        ('"It is {gfr}."', '""', "template 2 is '', expected a text with slots in braces."),
        ('"It is {gfr}."', '"It is good."', "template 2 has no slot, so it says the same of every image: 'It is"),
        ('"It is {gfr}."', '"It is {gfr."', "template 2 has a brace without its partner: 'It is {gfr.'."),
        (
            '"It is {gfr}."',
            '"It is {gfrr}."',
            "template 2 has the slot {gfrr}, for which there is no [slots.gfrr]; did",
        ),
        ('"It is {gfr}."', '"{gfr} is {gfr}."', "template 2 has {gfr} 2 times; once is enough."),
        ('"It is {gfr}."', '"it  is {gfr}.", "It is {gfr}."', "template 3 says the same as template 2: keep one"),
        ("at the {exam} visit", "", "[slots.exam] is in no template: write {exam} in one, or remove the slot."),
        (GOOD[: GOOD.index("\n\n")], "", "templates is None, expected a list of texts: templates = ["),
        (GOOD[: GOOD.index("\n\n")], "templates = []", "templates is [], expected a list of texts"),
        (GOOD[GOOD.index("[slots.gfr]") :], "", "has no slots; write a table for each, as [slots.gfr]."),
        (GOOD[GOOD.index("[slots.gfr]") :], "[slots]\ngfr = 3", "[slots.gfr]: expected a table with"),
    ],
)
def test_each_bad_rule_is_told(write: Write, old: str, new: str, message: str) -> None:
    assert old in GOOD
    found = problems(write(GOOD.replace(old, new, 1)))
    assert any(problem.startswith(message) for problem in found), found


def test_a_good_file_next_to_the_bad_ones_is_taken(write: Write) -> None:
    """So that no message above comes of something else."""
    read_prompt_rules(write(GOOD.replace("30.5", "31").replace('"D15', '"d15')))


def test_everything_is_told_at_once(write: Write) -> None:
    text = GOOD.replace("[15, 30.5]", "[30, 15]").replace("{exam}", "{exm}").replace("D15 =", 'j15 = "a", D15 =')
    found = problems(write(f"rules = 1\n{text}"))
    assert [each.split(":")[0].split(";")[0] for each in found] == [
        "unknown key 'rules'",
        "[slots.gfr]",
        "[slots.exam]",
        "template 1 has the slot {exm}, for which there is no [slots.exm]",
        "[slots.exam] is in no template",
    ]


def test_a_slot_that_is_wrong_is_not_told_missing(write: Write) -> None:
    assert len(problems(write(GOOD.replace("[15, 30.5]", "[30, 15]")))) == 1


def test_synonyms_that_multiply_are_refused(write: Write) -> None:
    synonyms = ", ".join(f'"w{number}"' for number in range(40))
    text = GOOD.replace('"low", [', f"[{synonyms}], [").replace('["third month"]', f"[{synonyms}]")
    (found,) = problems(write(text))
    assert found.startswith("template 1 can be worded in 1,600 ways by the synonyms of its slots, at most 1,000")


def test_the_cardiac_rules_are_rules() -> None:
    rules = read_prompt_rules(PROJECT / "examples" / "acdc" / "prompts.toml")
    assert list(rules.slots) == ["phase", "ejection_fraction", "disease"]
