"""The rows of a simulated study: what a clinic's cohort.csv would hold, and the truth behind it."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

import numpy as np

from medcl.imaging.simulate.allograft import COLLECTING, CORTEX, MEDULLA
from medcl.imaging.simulate.clinical import EXAMS
from medcl.imaging.simulate.transplant_mr import Exam

COHORT_COLUMNS = (
    "patient",
    "exam",
    "sequence",
    "image",
    "mask",
    "modality",
    "site",
    "scanner",
    "days",
    "gfr [mL/min/1.73m2]",
    "donor_age [years]",
    "screat [umol/L]",
    "incompatibility",
)
"""Header of cohort.csv; incompatibility counts HLA mismatches, 0 to 6."""

MISSING = {"gfr": 0.02, "screat": 0.03, "donor_age": 0.03, "incompatibility": 0.03}
"""How often a value is missing; donor age and incompatibility are missing for a patient or not at all."""


def patient_name(number: int) -> str:
    """Return the patient's name, P001 for the first."""
    return f"P{number:03d}"


def clinical_values(exam: Exam, seed: int) -> dict[str, str]:
    """Return the columns of an exam's rows in cohort.csv that come from the clinic; "" where missing."""
    number, visit, recipient = exam.patient.number, exam.visit, exam.patient.recipient
    by_patient = np.random.default_rng((seed, number, 0, 1)).random(2)
    by_exam = np.random.default_rng((seed, number, 1 + list(EXAMS).index(visit.exam), 99)).random(2)
    shown = {
        "gfr [mL/min/1.73m2]": (by_exam[0] >= MISSING["gfr"], f"{visit.measured_gfr:.1f}"),
        "donor_age [years]": (by_patient[0] >= MISSING["donor_age"], str(recipient.donor_age)),
        "screat [umol/L]": (by_exam[1] >= MISSING["screat"], f"{visit.screat:.0f}"),
        "incompatibility": (by_patient[1] >= MISSING["incompatibility"], str(recipient.incompatibility)),
    }
    values = {name: text if known else "" for name, (known, text) in shown.items()}
    return {
        "patient": patient_name(number),
        "exam": visit.exam,
        "modality": "mr",
        "site": exam.patient.site,
        "scanner": exam.session.scanner,
        "days": str(visit.days),
        **values,
    }


def true_values(exam: Exam) -> dict[str, Any]:
    """Return an exam's row of truth.csv: everything that shaped its images, units in the names."""
    recipient, visit, session = exam.patient.recipient, exam.visit, exam.session
    volumes = exam.shape.volumes
    row: dict[str, Any] = {
        "patient": patient_name(exam.patient.number),
        "exam": visit.exam,
        "gfr [mL/min/1.73m2]": visit.gfr,
        "rejection": visit.rejection,
        "early_dysfunction": visit.early,
        "donor_age [years]": recipient.donor_age,
        "incompatibility": recipient.incompatibility,
        "kidney_volume [mL]": volumes[CORTEX] + volumes[MEDULLA] + volumes[COLLECTING],
        "cortical_thickness [mm]": exam.shape.cortex,
        "filtration_per_cortex [mL/min/mL]": exam.graft.filtration / exam.graft.cortex_ml,
    }
    units = {"filtration": "mL/min", "plasma_flow": "mL/min/mL"}
    for name, value in asdict(exam.graft).items():
        unit = units.get(name, "mL" if name.endswith("_ml") else "s" if name.endswith(("transit", "delay")) else "")
        row[f"graft_{name}" + (f" [{unit}]" if unit else "")] = value
    row |= {f"arterial_{name}": value for name, value in asdict(exam.state.arterial).items()}
    row |= {"hydration": exam.state.hydration, "t1_factor": exam.state.t1_factor}
    person = ("age", "female", "weight", "height", "donor_size")
    row |= {f"recipient_{name}": getattr(recipient, name) for name in person}
    row |= {f"body_{item.name}": getattr(exam.patient.body, item.name) for item in fields(exam.patient.body)}
    row |= {"side": "right" if exam.patient.side > 0 else "left", "site": exam.patient.site, "scanner": session.scanner}
    row |= {f"seconds_{name}": value for name, value in session.seconds.items() if value is not None}
    row |= {"inflow_pulses": session.inflow_pulses, "fat_left": exam.fat_left, "texture": exam.texture}
    row |= {name: getattr(session.receiver, name) for name in ("gain", "noise", "remaining")}
    row |= {f"graft_{axis} [mm]": value for axis, value in zip("xyz", graft_centre(exam), strict=True)}
    return row


def graft_centre(exam: Exam) -> tuple[float, float, float]:
    """Return the middle of the kidney in the scanner, RAS+ mm, during the first sequence."""
    x, y, z, _ = exam.session.placed("water") @ exam.pose[:, 3]
    return float(x), float(y), float(z)
