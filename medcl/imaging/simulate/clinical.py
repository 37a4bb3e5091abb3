"""Kidney-transplant recipients and the course of their grafts over the first year.

A recipient's glomerular filtration rate starts from what the donor's kidney can do (less with donor age), recovers
over the first weeks (slower after delayed graft function), drops in episodes of rejection (likelier with more HLA
mismatches) and may decline slowly. Creatinine in steady state is production / clearance; production follows Cockcroft
DW, Gault MH (Nephron 16:31, 1976): (28 - 0.2 age) mg per kg and day in men, 15% less in women. GFR is indexed to a
body surface of 1.73 m2; the graft filters it all. Body surface after Du Bois D, Du Bois EF (Arch Intern Med 17:863,
1916).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

EXAMS = {"D15": 15, "D30": 30, "M3": 91, "M12": 365}
"""Follow-up exams and their planned days after transplantation."""

GFR_RANGE = (12.0, 105.0)
"""Lowest and highest true GFR in mL/min/1.73 m2 that are simulated."""

CREATININE_UMOL_PER_MG = 8.84
SECRETED = 1.10
"""Creatinine clearance over GFR, as tubules also secrete it."""


@dataclass(frozen=True)
class Recipient:
    """What stays the same for a patient: ages in years, weight in kg, height in cm, and the graft's course.

    `capacity` is the GFR in mL/min/1.73 m2 that the graft reaches when it has recovered, `recovery_days` the time
    constant with which it does, `early_loss` the share that is missing at first, `rejection_day` and `rejection` the
    day and severity (0 to 1; 0 = none) of an acute rejection, `decline` the share lost per year, `donor_size` the
    donor's body surface relative to 1.8 m2.
    """

    age: float
    female: bool
    weight: float
    height: float
    donor_age: int
    donor_size: float
    incompatibility: int
    capacity: float
    recovery_days: float
    early_loss: float
    rejection_day: float
    rejection: float
    decline: float

    @property
    def surface(self) -> float:
        """Body surface in m2."""
        return float(0.007184 * self.weight**0.425 * self.height**0.725)


@dataclass(frozen=True)
class Visit:
    """One exam: GFR in mL/min/1.73 m2, true and measured; creatinine in umol/L; `rejection` and `early` from 0 to 1."""

    exam: str
    days: int
    gfr: float
    measured_gfr: float
    screat: float
    rejection: float
    early: float


def draw_recipient(random: np.random.Generator) -> Recipient:
    """Draw one patient."""
    female = bool(random.random() < 0.4)
    height = random.normal(163 if female else 176, 7)
    weight = float(np.clip(random.normal(25.5, 4.2), 18, 38)) * (height / 100) ** 2
    donor_age = int(np.clip(round(random.normal(52, 15)), 18, 82))
    incompatibility = int(random.binomial(6, 0.52))
    rejected = random.random() < 0.10 + 0.07 * incompatibility
    delayed = random.random() < 0.30
    return Recipient(
        age=float(np.clip(random.normal(50, 13), 19, 78)),
        female=female,
        weight=float(weight),
        height=float(height),
        donor_age=donor_age,
        donor_size=float(np.clip(random.normal(1.0, 0.12), 0.7, 1.35)),
        incompatibility=incompatibility,
        capacity=float(np.clip(random.normal(64 - 0.42 * (donor_age - 52), 19), 22, GFR_RANGE[1])),
        recovery_days=float(random.uniform(15, 35) if delayed else random.uniform(6, 14)),
        early_loss=float(random.uniform(0.55, 0.95) if delayed else random.uniform(0.2, 0.7)),
        rejection_day=float(random.choice([random.uniform(5, 28), random.uniform(65, 100), random.uniform(320, 372)])),
        rejection=float(random.uniform(0.35, 1.0)) if rejected else 0.0,
        decline=float(random.uniform(0.15, 0.5) if random.random() < 0.3 else random.uniform(-0.05, 0.1)),
    )


def draw_visit(recipient: Recipient, exam: str, random: np.random.Generator) -> Visit:
    """Draw one exam of a patient.

    Args:
        recipient: the patient.
        exam: a key of `EXAMS`.
        random: the exam's own generator.
    """
    planned = EXAMS[exam]
    days = round(planned + random.normal(0, 0.04 * planned))
    early = recipient.early_loss * np.exp(-days / recipient.recovery_days)
    since = days - recipient.rejection_day
    # An episode flares up within days, is treated, and leaves a scar of a third.
    flare = np.exp(-max(since, 0.0) / 50.0) / (1.0 + np.exp(-(since + 4.0) / 2.0))
    scar = 0.33 / (1.0 + np.exp(-(since - 20.0) / 8.0))
    rejection = float(recipient.rejection * flare)
    lost = 0.55 * recipient.rejection * max(flare, scar)
    chronic = recipient.decline * days / 365.0
    gfr = recipient.capacity * (1 - early) * (1 - lost) * (1 - chronic) * np.exp(random.normal(0, 0.06))
    gfr = float(np.clip(gfr, *GFR_RANGE))
    production = (28 - 0.2 * recipient.age) * recipient.weight * (0.85 if recipient.female else 1.0)
    clearance = gfr * recipient.surface / 1.73 * SECRETED * 1.44  # L per day
    screat = production * CREATININE_UMOL_PER_MG / clearance * np.exp(random.normal(0, 0.09))
    measured = gfr * np.exp(random.normal(0, 0.04))
    return Visit(exam, days, gfr, float(measured), float(screat), rejection, float(early))
