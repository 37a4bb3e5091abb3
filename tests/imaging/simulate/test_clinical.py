"""The clinical course: ranges, recovery, rejection and creatinine."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from medcl.imaging.simulate.clinical import EXAMS, GFR_RANGE, Recipient, Visit, draw_recipient, draw_visit

RECIPIENTS = [draw_recipient(np.random.default_rng([0, number])) for number in range(400)]


def visit(recipient: Recipient, exam: str, number: int = 0) -> Visit:
    return draw_visit(recipient, exam, np.random.default_rng([1, number]))


VISITS = {exam: [visit(person, exam, number) for number, person in enumerate(RECIPIENTS)] for exam in EXAMS}


def test_gfr_is_spread_as_in_clinics() -> None:
    gfr = np.array([[seen.gfr for seen in VISITS[exam]] for exam in EXAMS])
    assert gfr.min() >= GFR_RANGE[0]
    assert gfr.max() <= GFR_RANGE[1]
    assert 45 < gfr.mean() < 65
    assert 15 < gfr.std() < 25


def test_grafts_recover_and_some_decline() -> None:
    mean = {exam: np.mean([seen.gfr for seen in VISITS[exam]]) for exam in EXAMS}
    assert mean["D15"] < mean["D30"] < mean["M3"]
    assert mean["M12"] < mean["M3"]
    change = np.array([late.gfr - early.gfr for early, late in zip(VISITS["D15"], VISITS["M3"], strict=True)])
    assert change.std() > 8


def test_old_donors_give_less() -> None:
    ages = [person.donor_age for person in RECIPIENTS]
    correlation = np.corrcoef(ages, [seen.gfr for seen in VISITS["M3"]])[0, 1]
    assert -0.55 < correlation < -0.15


def test_mismatches_bring_rejection() -> None:
    rejected = np.array([person.rejection > 0 for person in RECIPIENTS])
    mismatches = np.array([person.incompatibility for person in RECIPIENTS])
    assert set(mismatches) <= set(range(7))
    assert rejected[mismatches >= 4].mean() > rejected[mismatches <= 2].mean()
    assert 0.15 < rejected.mean() < 0.5


def test_rejection_lowers_gfr_while_it_lasts_and_leaves_a_scar() -> None:
    calm = replace(RECIPIENTS[0], rejection=0.0, capacity=70.0, early_loss=0.2, decline=0.0)
    struck = replace(calm, rejection=1.0, rejection_day=88.0)
    assert visit(struck, "D30").gfr == pytest.approx(visit(calm, "D30").gfr, rel=0.01)
    assert visit(struck, "M3").gfr < 0.7 * visit(calm, "M3").gfr
    assert visit(struck, "M3").rejection > 0.5
    assert visit(struck, "M3").gfr < visit(struck, "M12").gfr < 0.9 * visit(calm, "M12").gfr


def test_creatinine_is_production_over_clearance() -> None:
    # A 70 kg man of 40: 20 mg/kg/day = 12.38 mmol/day; GFR 80, body surface 1.73 m2, a tenth more cleared by secretion.
    man = replace(RECIPIENTS[0], age=40.0, female=False, weight=70.0, height=162.8, capacity=80.0)
    assert man.surface == pytest.approx(1.75, abs=0.02)
    seen = visit(man, "M3")
    expected = 20 * 70 * 8.84 / (seen.gfr * man.surface / 1.73 * 1.1 * 1.44)
    assert seen.screat == pytest.approx(expected, rel=0.35)


def test_creatinine_rises_as_gfr_falls() -> None:
    gfr = np.log([seen.gfr for exam in EXAMS for seen in VISITS[exam]])
    screat = np.log([seen.screat for exam in EXAMS for seen in VISITS[exam]])
    assert -0.95 < np.corrcoef(gfr, screat)[0, 1] < -0.7


def test_the_measured_gfr_is_near_the_true_one() -> None:
    error = np.log([seen.measured_gfr / seen.gfr for seen in VISITS["M3"]])
    assert error.std() == pytest.approx(0.04, abs=0.006)
    assert abs(error.mean()) < 0.008
