"""The prompts of a cohort: the simulated transplant study, missing values, other spellings, hearts."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pandas as pd
import pytest

from medcl.study.cohort import Cohort, read_cohort
from medcl.study.errors import BadInput
from medcl.study.prompt_rules import SHIPPED, PromptRules, read_prompt_rules
from medcl.study.prompts import CohortPrompts, write_prompts
from tests.study.clinical_files import joined
from tests.study.simulated_tables import cardiac_table, transplant_table

CARDIAC = Path(__file__).parents[2] / "examples" / "acdc" / "prompts.toml"
PATIENTS = 40

GAPS = """\
patient,exam,image,gfr [mL/min/1.73m2],donor_age [years],screat [umol/L]
P1,D15,a,10,40,100
P1,M3,b,,40,300
P2,D15,c,,,
P2,M6,d,50,,
P3,M9,e,,,
"""


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return read_cohort(transplant_table(tmp_path_factory.mktemp("simulated"), PATIENTS), need_images=False)


@pytest.fixture(scope="module")
def simulated_prompts(simulated: Cohort) -> CohortPrompts:
    return write_prompts(simulated, read_prompt_rules())


def gaps(folder: Path, text: str = GAPS) -> CohortPrompts:
    return write_prompts(joined(folder, text), read_prompt_rules())


def expected_words(table: pd.DataFrame, place: int) -> dict[str, str]:
    """The words of a row by the rules as the paper's code has them, written here a second time."""
    row = table.iloc[place]
    words = {"exam": {"D15": "two weeks", "D30": "first month", "M3": "third month", "M12": "first year"}[row["exam"]]}
    gfr, age = row["gfr [mL/min/1.73m2]"], row["donor_age [years]"]
    if gfr == gfr:
        limits = {15: "extremely low", 30: "very low", 45: "low", 60: "medium", 999: "high"}
        words["gfr"] = next(word for limit, word in limits.items() if gfr < limit)
    if age == age:
        words["donor_age"] = "low" if age < 65 else "high"
    exams = table[table["patient"] == row["patient"]].drop_duplicates("exam")["screat [umol/L]"].dropna()
    if len(exams) > 1:
        unstable = float(exams.std()) > 50
        words["stability"] = "unstable/fluctuating/variable" if unstable else "stable/steady/consistent"
    return words


def test_every_image_of_the_simulated_study_says_what_its_row_holds(
    simulated: Cohort, simulated_prompts: CohortPrompts
) -> None:
    table = pd.read_csv(simulated.file)
    expected = [expected_words(table, place) for place in range(len(table))]
    assert simulated_prompts.cases == simulated.cases()
    assert [dict(simulated_prompts.statement(case)) for case in simulated_prompts.cases] == expected
    for slot in ("gfr", "donor_age", "stability"):
        assert len({words.get(slot) for words in expected}) > 1, "a study in which all say the same tests nothing"


def test_every_prompt_is_in_order_and_known_to_come_of_its_row(simulated_prompts: CohortPrompts) -> None:
    found = simulated_prompts.rows(every=True)
    assert len(found) == 10 * PATIENTS * 12
    for prompt in found:
        assert not re.search(r"  |[{}]|nan|None", prompt.text), prompt
        assert all(sentence[0].isupper() for sentence in re.split(r"(?<=\.) ", prompt.text)), prompt
        for slot, words in prompt.statement:
            assert any(word in prompt.text.lower() for word in words.split("/")), (prompt, slot)
        assert sorted((*prompt.used, *prompt.dropped)) == ["donor_age", "exam", "gfr", "stability"]
    assert [prompt.row for prompt in found[::10]] == list(range(2, 2 + PATIENTS * 12))


def test_one_template_an_image_shows_them_in_turn(simulated_prompts: CohortPrompts) -> None:
    found = simulated_prompts.rows()
    assert [prompt.case for prompt in found] == simulated_prompts.cases
    assert [prompt.template for prompt in found] == [place % 10 for place in range(len(found))]


def test_distinct_prompts_are_all_that_can_be_drawn(simulated_prompts: CohortPrompts) -> None:
    texts = simulated_prompts.distinct()
    assert len(texts) == len(set(texts))
    drawn = {
        prompt.text
        for case, template, draw in itertools.product(simulated_prompts.cases, range(10), range(3))
        if (prompt := simulated_prompts.of(case, template, draw))
    }
    assert drawn == set(texts)
    statements = simulated_prompts.statements()
    words = [dict(statement) for statement in statements]
    assert len(texts) == sum(10 * (3 if "stability" in each else 1) for each in words)
    assert len(statements) == len({simulated_prompts.statement(case) for case in simulated_prompts.cases})


def test_draws_choose_synonyms_and_equal_draws_the_same(simulated_prompts: CohortPrompts) -> None:
    case = next(each for each in simulated_prompts.cases if len(simulated_prompts.statement(each)) == 4)
    assert simulated_prompts.wordings(case, 0) == 3
    found = [simulated_prompts.of(case, 0, draw) for draw in range(6)]
    assert len({prompt.text for prompt in found[:3] if prompt}) == 3
    assert found[:3] == found[3:]
    assert len({prompt.statement for prompt in found if prompt}) == 1
    assert len({prompt.text for template in range(10) if (prompt := simulated_prompts.of(case, template))}) == 10


def test_synonyms_of_several_slots_are_drawn_in_all_pairs(tmp_path: Path) -> None:
    text = SHIPPED.read_text().replace('["low", "high"]', '[["low", "young", "lesser"], "high"]')
    (tmp_path / "rules.toml").write_text(text)
    prompts = write_prompts(joined(tmp_path, GAPS), read_prompt_rules(tmp_path / "rules.toml"))
    assert prompts.wordings("P1_D15", 0) == 9
    assert len({prompt.text for draw in range(9) if (prompt := prompts.of("P1_D15", 0, draw))}) == 9


def test_missing_values_drop_their_sentences_and_nothing_else(tmp_path: Path) -> None:
    prompts = gaps(tmp_path)
    first = prompts.of("P1_D15", 0)
    assert first is not None
    assert (first.row, first.dropped) == (2, ())
    assert first.text == (
        "MRI of a kidney transplant at the two weeks check-up. The function of the graft is extremely low. "
        "The age of the donor was low. Creatinine is unstable over time."
    )
    second = prompts.of("P1_M3", 0)
    assert second is not None
    assert (second.dropped, "function" in second.text) == (("gfr",), False)
    third = prompts.of("P2_D15", 1)
    assert third is not None
    assert (third.text, third.used) == ("Two weeks visit after kidney transplantation.", ("exam",))
    assert prompts.missing() == {"exam": 2, "gfr": 3, "donor_age": 3, "stability": 3}
    assert "Slot exam: 'M6' of column 'exam' has no words (1 image)." in prompts.notes
    assert "Slot stability: 2 patients with fewer than 2 values." in prompts.notes


def test_an_image_with_nothing_to_say_has_no_prompt(tmp_path: Path) -> None:
    prompts = gaps(tmp_path)
    assert prompts.without == ["P3_M9"]
    assert prompts.cases == ["P1_D15", "P1_M3", "P2_D15", "P2_M6"]
    assert all(prompts.of("P3_M9", template) is None for template in range(10))
    assert "P3_M9" not in {prompt.case for prompt in prompts.rows(every=True)}
    assert len(prompts.statements()) == 4


def test_a_table_full_of_missing_values_is_refused(tmp_path: Path) -> None:
    empty = "\n".join(re.sub(r"(,[DM]\d+,\w),.*", r"\1,,NA,-", line) for line in GAPS.splitlines())
    alone = re.sub(r",[DM]\d+,", ",,", "\n".join(empty.splitlines()[::2]))
    with pytest.raises(BadInput, match=r"has no column 'exam'"):
        gaps(tmp_path, alone)
    rules = tmp_path / "rules.toml"
    rules.write_text(
        """templates = ["GFR {gfr}."]\n[slots.gfr]\nvariable = "gfr"\nthresholds = [15]\nwords = ["a", "b"]\n"""
    )
    with pytest.raises(
        BadInput, match=r"rules\.toml: none of the 5 images .* has a prompt.* all of its values \(gfr\)"
    ):
        write_prompts(joined(tmp_path, empty), read_prompt_rules(rules))
    prompts = gaps(tmp_path, empty)
    assert prompts.missing() == {"exam": 2, "gfr": 5, "donor_age": 5, "stability": 5}
    assert "Slot gfr: column 'gfr [mL/min/1.73m2]' has no value in any image." in prompts.notes


def test_templates_that_speak_of_other_slots_are_used_where_they_can(tmp_path: Path) -> None:
    text = re.sub(
        r"templates = \[.*?\n\]",
        'templates = ["GFR: {gfr}.", "{exam}, donor {donor_age}, {stability}."]',
        SHIPPED.read_text(),
        flags=re.DOTALL,
    )
    (tmp_path / "rules.toml").write_text(text)
    prompts = write_prompts(joined(tmp_path, GAPS), read_prompt_rules(tmp_path / "rules.toml"))
    assert {case: prompts.usable(case) for case in prompts.cases} == {"P1_D15": (0, 1), "P1_M3": (1,), "P2_M6": (0,)}
    assert prompts.without == ["P2_D15", "P3_M9"]
    assert prompts.of("P1_M3", 0) is None
    assert [(prompt.case, prompt.template) for prompt in prompts.rows()] == [("P1_D15", 0), ("P1_M3", 1), ("P2_M6", 0)]
    assert prompts.distinct().count("GFR: medium.") == 1
    first = prompts.of("P1_D15", 0)
    assert first is not None
    assert first.statement == (("gfr", "extremely low"),), "what the template does not say is no part of it"


def test_other_spellings_give_the_same_prompts(tmp_path: Path) -> None:
    """J15 is D15 and age_donneur is age_donor, which the public code did not know."""
    other = GAPS.replace("D15", "J15").replace("M3", "3 months").replace("donor_age", "Age_Donneur")
    other = other.replace("gfr [mL/min/1.73m2]", "eGFR (ml/min/1.73 m²)").replace(
        "screat [umol/L]", "Creatinine [µmol/l]"
    )
    other = other.replace("patient,exam,image", "Subject ID,Visit,path")
    found, expected = gaps(tmp_path / "other", other), gaps(tmp_path / "usual")
    assert found.distinct() == expected.distinct()
    assert [found.statement(case) for case in found.cases] == [expected.statement(case) for case in expected.cases]


def test_creatinine_in_other_units_gives_the_same_prompts(tmp_path: Path) -> None:
    for number, value in enumerate((100, 170.7, 170.8)):  # a deviation of 50 is a difference of 70.71
        text = f"patient,exam,image,gfr,donor_age,screat [UNIT]\nP1,D15,a,50,50,100\nP1,M3,b,50,50,{value}\n"
        usual = gaps(tmp_path / f"usual{number}", text.replace("UNIT", "umol/L"))
        text = text.replace(",100\n", f",{100 / 88.42:.9f}\n").replace(f"{value}\n", f"{value / 88.42:.9f}\n")
        other = gaps(tmp_path / f"other{number}", text.replace("UNIT", "mg/dL"))
        assert other.distinct() == usual.distinct()
        assert dict(usual.statement("P1_D15"))["stability"].startswith("unstable" if value > 170.75 else "stable")


def test_everything_that_does_not_fit_is_told_at_once_with_the_way_out(tmp_path: Path) -> None:
    text = "patient,exam,image,gfr [mL/h],screat,donnor_age\nP1,V1,a,30,100,50\n"
    with pytest.raises(BadInput) as caught:
        gaps(tmp_path, text)
    exam, gfr, age, stability, hint = caught.value.problems
    assert exam.startswith(
        f"{SHIPPED}: [slots.exam]: none of the classes of column 'exam' (V1) has words; words has D15"
    )
    assert "[slots.gfr]: column 'gfr [mL/h]' is in 'mL/h', which cannot be converted to 'mL/min/1.73m2'" in gfr
    assert "[slots.donor_age]: " in age
    assert "Nearest: 'donnor_age'" in age
    assert "[slots.stability]: " in stability
    assert "no unit is stated" in stability
    assert hint.startswith("These are the rules for kidney transplantation that come with medcl: give other rules with")


def test_part_of_the_images(simulated_prompts: CohortPrompts) -> None:
    some = simulated_prompts.cases[3:30:5]
    part = simulated_prompts.only(set(some))
    assert part.cases == some
    assert [part.statement(case) for case in some] == [simulated_prompts.statement(case) for case in some]
    assert set(part.distinct()) < set(simulated_prompts.distinct())
    assert [prompt.row for prompt in part.rows()] == [2 + place for place in range(3, 30, 5)]


HEARTS = """\
patient,exam,image,ejection_fraction [%],rv_ejection_fraction [%],disease_group
001,ED,a,23.7,57.4,DCM
001,ES,b,23.7,57.4,DCM
002,ED,c,30,50,NOR
002,ES,d,,50,minf
003,ED,e,0.55,50,
"""


@pytest.fixture
def cardiac() -> PromptRules:
    return read_prompt_rules(CARDIAC)


def test_hearts_go_through_the_same_code(tmp_path: Path, cardiac: PromptRules) -> None:
    prompts = write_prompts(joined(tmp_path, HEARTS.replace("0.55", "55")), cardiac)
    texts = [prompt.text for case in prompts.cases if (prompt := prompts.of(case, 0))]
    assert texts == [
        "Cine MRI of the heart at end-diastole. The left ventricle's ejection fraction is severely reduced. "
        "The patient has dilated cardiomyopathy.",
        "Cine MRI of the heart at end-systole. The left ventricle's ejection fraction is severely reduced. "
        "The patient has dilated cardiomyopathy.",
        "Cine MRI of the heart at end-diastole. The left ventricle's ejection fraction is moderately reduced. "
        "The patient has no sign of disease.",
        "Cine MRI of the heart at end-systole. The patient has an earlier myocardial infarction.",
        "Cine MRI of the heart at end-diastole. The left ventricle's ejection fraction is normal.",
    ]


def test_fractions_are_percent(tmp_path: Path, cardiac: PromptRules) -> None:
    fractions = re.sub(r",(\d\d)(\.\d)?,5", lambda found: f",{float(found[1]) / 100},5", HEARTS).replace(
        "[%]", "[fraction]"
    )
    found = write_prompts(joined(tmp_path, fractions), cardiac)
    ejection = [dict(found.statement(case)).get("ejection_fraction") for case in found.cases]
    assert ejection == ["severely reduced"] * 2 + ["moderately reduced", None, "normal/preserved"]


def test_simulated_hearts_by_rules_for_their_groups(tmp_path: Path, cardiac: PromptRules) -> None:
    text = re.sub(
        r"\[slots.disease.words\].*",
        '[slots.disease.words]\ndilated = "a wide ventricle"\n',
        CARDIAC.read_text(),
        flags=re.DOTALL,
    )
    (tmp_path / "rules.toml").write_text(text.replace('"disease_group"', '"group"'))
    cohort = read_cohort(cardiac_table(tmp_path, 5), need_images=False)
    prompts = write_prompts(cohort, read_prompt_rules(tmp_path / "rules.toml"))
    assert len(prompts.cases) == 10
    wide = {case for case in prompts.cases if dict(prompts.statement(case)).get("disease")}
    assert wide == set(cohort.frame["case"][cohort.variable("group").values.to_numpy() == "dilated"])
    assert len(wide) == 2, "every five simulated patients hold each group once"
    with pytest.raises(BadInput, match=r"no column 'disease_group'"):
        write_prompts(cohort, cardiac)
