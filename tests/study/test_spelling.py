"""One spelling for each class."""

from __future__ import annotations

from medcl.study.spelling import folded, unify


def test_the_most_frequent_spelling_wins_and_is_told() -> None:
    cells, notes = unify(["yes", "Yes", "Yes", "NO", "", "a  b", "A b", "A b"])
    assert cells == ["Yes", "Yes", "Yes", "NO", "", "A b", "A b", "A b"]
    assert notes == ["'a  b' is read as 'A b' in 1 cell", "'yes' is read as 'Yes' in 1 cell"]


def test_distinct_words_stay() -> None:
    assert unify(["A", "B", "AB"]) == (["A", "B", "AB"], [])
    assert folded(" Á  b ") == "á b"
