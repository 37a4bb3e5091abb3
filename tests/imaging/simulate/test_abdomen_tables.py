"""What the tables of a simulated abdomen say."""

from __future__ import annotations

from dataclasses import replace

from medcl.imaging.simulate.abdomen_ct_mr import AbdomenImage, draw_abdomen, render_abdomen
from medcl.imaging.simulate.abdomen_tables import ABDOMEN_COLUMNS, abdomen_clinical_values, abdomen_true_values

COARSE = 8.0


def image_of(number: int) -> AbdomenImage:
    return render_abdomen(draw_abdomen(0, number, COARSE))


def test_ct_and_mr_have_the_same_columns_and_leave_empty_what_the_other_has() -> None:
    ct, mr = (abdomen_true_values(draw_abdomen(0, n, COARSE), image_of(n)) for n in (1, 2))
    assert list(ct) == list(mr)
    for name in ("liver_hu [HU]", "noise [HU]", "dose"):
        assert ct[name] != ""
        assert mr[name] == ""
    for name in ("liver_signal", "gain", "remaining", "field_spread"):
        assert ct[name] == ""
        assert mr[name] != ""
    assert ct["liver_volume [mL]"] > 600


def test_clinical_values_are_those_of_the_person() -> None:
    abdomen = draw_abdomen(0, 1, COARSE)
    row = abdomen_clinical_values(abdomen)
    assert set(row) | {"sequence", "image", "mask"} == set(ABDOMEN_COLUMNS)
    assert row["modality"] == "ct"
    assert float(row["height [cm]"]) == round(abdomen.person.height)
    assert row["scanner"] == abdomen.session.scanner


def test_some_values_are_missing() -> None:
    abdomen = draw_abdomen(0, 1, COARSE)
    rows = [abdomen_clinical_values(replace(abdomen, seed=(0, number))) for number in range(1, 151)]
    for name in ("age [years]", "weight [kg]"):
        assert 0 < sum(row[name] == "" for row in rows) < 15, name
    assert all(row["height [cm]"] for row in rows)
