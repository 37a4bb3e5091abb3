"""Counts in words."""

from __future__ import annotations

from medcl.study.plural import counted


def test_one_is_one_and_all_others_are_many() -> None:
    assert [counted(number, "image") for number in (0, 1, 2, 1200)] == [
        "0 images",
        "1 image",
        "2 images",
        "1,200 images",
    ]
    assert counted(2, "entry", "entries") == "2 entries"
    assert counted(1, "entry", "entries") == "1 entry"
