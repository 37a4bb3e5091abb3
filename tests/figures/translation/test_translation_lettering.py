"""Letters within pictures: each its own, and every name can be written."""

from __future__ import annotations

import numpy as np
import pytest

from medcl.figures.translation.lettering import HIGH, LETTERS, UNKNOWN, WIDE, lettering, shortened


def test_every_printable_letter_has_a_form_of_its_own() -> None:
    printable = [chr(code) for code in range(32, 127)]
    assert set(printable) <= set(LETTERS)
    assert len({LETTERS[letter] for letter in LETTERS}) == len(LETTERS)
    assert all(len(rows) == HIGH for rows in LETTERS.values())


def test_an_l_is_a_stroke_with_a_foot() -> None:
    expected = ["#.....", "#.....", "#.....", "#.....", "#.....", "#.....", "#####.", "......", "......"]
    assert ["".join("#" if ink else "." for ink in row) for row in lettering("L", 1)] == expected


@pytest.mark.parametrize("scale", [1, 2, 3])
def test_a_line_is_as_long_as_its_letters(scale: int) -> None:
    assert lettering("ct 12", scale).shape == (HIGH * scale, 5 * WIDE * scale)
    assert lettering("", scale).shape == (HIGH * scale, 0)
    assert (lettering("g", scale)[::scale, ::scale] == lettering("g", 1)).all()


def test_accents_go_and_the_unknown_is_a_box() -> None:
    assert (lettering("Ödème") == lettering("Odeme")).all()
    assert (lettering("肝") == lettering(UNKNOWN)).all()
    assert np.any(lettering(UNKNOWN) != lettering("?"))


def test_long_text_is_shortened_to_what_fits() -> None:
    assert shortened("patient", 7 * WIDE, 1) == "patient"
    assert shortened("patient", 6 * WIDE, 1) == "patie…"
    assert shortened("patient", 1, 1) == "…"
