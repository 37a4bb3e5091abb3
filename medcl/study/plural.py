"""Counts in words for people: 1 image, 2 images."""

from __future__ import annotations


def counted(number: int, one: str, many: str = "") -> str:
    """A number with its noun: "1 image", "1,200 images", "0 patients".

    Args:
        number: how many.
        one: the noun for one of them.
        many: the noun for all other numbers; `one` with an s unless told.
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"
