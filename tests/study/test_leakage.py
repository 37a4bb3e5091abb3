"""The leakage gate, and broken twins of it that must be caught."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pytest

from medcl.study.errors import BadInput
from medcl.study.leakage import check_images, check_leakage

Gate = Callable[[Sequence[str], Sequence[str], Sequence[str], Mapping[str, str] | Sequence[str]], None]

CASES = ["P1_D15", "P1_M3", "P2_D15", "P3_D15"]
PATIENTS = ["P1", "P1", "P2", "P3"]
CONTENTS = ["aa", "bb", "cc", "dd"]
SIDES = {"P1": "train", "P2": "val", "P3": "test"}


def assert_is_a_gate(gate: Gate) -> None:
    """A gate lets a clean split pass and refuses every kind of leak, naming the cases."""
    gate(CASES, PATIENTS, CONTENTS, SIDES)
    gate(CASES, PATIENTS, ["aa", "aa", "cc", "dd"], SIDES)  # a copy on the same side is no leak
    leaks: list[tuple[Sequence[str], Sequence[str], Mapping[str, str] | Sequence[str], tuple[str, ...]]] = [
        (PATIENTS, CONTENTS, ["train", "test", "val", "test"], ("'P1'", "P1_D15", "P1_M3")),
        (PATIENTS, ["aa", "bb", "cc", "aa"], SIDES, ("same image content", "P1_D15", "P3_D15")),
        (["P1", "P1", "P2", "p1 "], CONTENTS, {**SIDES, "p1 ": "test"}, ("'P1'", "P1_D15", "P3_D15")),
    ]
    for patients, contents, splits, told in leaks:
        refused = None
        try:
            gate(CASES, patients, contents, splits)
        except BadInput as error:
            refused = str(error)
        assert refused is not None, f"a leak passed: {told}"
        assert all(part in refused for part in told)


def test_the_gate() -> None:
    assert_is_a_gate(check_leakage)


def test_the_twin_without_contents_is_caught() -> None:
    def without_contents(cases: Sequence[str], patients: Sequence[str], _: object, splits: Mapping[str, str]) -> None:
        check_leakage(cases, patients, cases, splits)

    with pytest.raises(AssertionError, match="same image content"):
        assert_is_a_gate(without_contents)  # type: ignore[arg-type]


def test_the_twin_that_looks_up_sides_by_patient_only_is_caught() -> None:
    def by_patient(
        cases: Sequence[str],
        patients: Sequence[str],
        contents: Sequence[str],
        splits: Mapping[str, str] | Sequence[str],
    ) -> None:
        sides = splits if isinstance(splits, Mapping) else dict(zip(patients, splits, strict=True))
        check_leakage(cases, patients, contents, sides)

    with pytest.raises(AssertionError, match="'P1'"):
        assert_is_a_gate(by_patient)


def test_the_twin_that_refuses_everything_is_caught() -> None:
    def refuse(*_: object) -> None:
        raise BadInput("no")

    with pytest.raises(BadInput):
        assert_is_a_gate(refuse)


def test_all_leaks_come_together_and_many_are_counted() -> None:
    cases = [f"P{number}_{exam}" for number in range(15) for exam in "ab"]
    with pytest.raises(BadInput) as caught:
        check_leakage(cases, [case[:-2] for case in cases], cases, ["train", "test"] * 15)
    assert len(caught.value.problems) == 11
    assert caught.value.problems[-1] == "... and 5 more leaks."


def test_a_patient_without_a_side_is_refused() -> None:
    with pytest.raises(BadInput, match="without a split: P3"):
        check_leakage(CASES, PATIENTS, CONTENTS, {"P1": "train", "P2": "val"})


@dataclass(frozen=True)
class Image:
    case: str
    patient: str
    content: str


def test_images_go_through_the_same_gate() -> None:
    images = [Image(*each) for each in zip(CASES, PATIENTS, CONTENTS, strict=True)]
    copy = Image("P9_D15", "P9", "aa")
    check_images(images, SIDES)
    check_images([*images, copy], SIDES)  # of no side: left out
    check_images([*images, copy], SIDES, others="train")
    with pytest.raises(BadInput, match="new: P9_D15; train: P1_D15"):
        check_images([*images, copy], SIDES, others="new")
    with pytest.raises(BadInput, match="test: P3_D15; train: P1_D15"):
        check_images([*images[:3], Image("P3_D15", "P3", "aa")], SIDES)
