"""What the tables of a simulated heart say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from medcl.imaging.simulate.cardiac_function import GROUPS
from medcl.imaging.simulate.cardiac_mr import draw_heart
from medcl.imaging.simulate.cardiac_tables import CARDIAC_COLUMNS, cardiac_clinical_values, cardiac_true_values


def test_clinical_values_follow_from_the_truth() -> None:
    for number in (1, 2):
        heart = draw_heart(0, number)
        rows = {exam: cardiac_clinical_values(heart, exam) for exam in ("ED", "ES")}
        truth = {exam: cardiac_true_values(heart, exam) for exam in ("ED", "ES")}
        before, after = (truth[exam]["lv_volume [mL]"] for exam in ("ED", "ES"))
        for exam in ("ED", "ES"):
            assert set(rows[exam]) <= set(CARDIAC_COLUMNS)
            assert float(rows[exam]["ejection_fraction [%]"]) == pytest.approx(100 * (1 - after / before), abs=0.06)
            assert float(rows[exam]["lv_volume [mL]"]) == pytest.approx(truth[exam]["lv_volume [mL]"], abs=0.06)
            assert rows[exam]["group"] in GROUPS
            assert (
                truth[exam]["wall_thinnest [mm]"] <= truth[exam]["wall_mean [mm]"] <= truth[exam]["wall_thickest [mm]"]
            )
        assert truth["ED"]["myocardium_volume [mL]"] == pytest.approx(truth["ES"]["myocardium_volume [mL]"], rel=0.02)
        assert truth["ES"]["wall_mean [mm]"] > truth["ED"]["wall_mean [mm]"]


def test_some_values_are_missing() -> None:
    heart = draw_heart(0, 1)
    rows = [cardiac_clinical_values(replace(heart, seed=(0, number)), "ED") for number in range(1, 151)]
    for name in ("age [years]", "heart_rate [/min]"):
        assert 0 < sum(row[name] == "" for row in rows) < 15, name
    assert all(row["ejection_fraction [%]"] for row in rows)
