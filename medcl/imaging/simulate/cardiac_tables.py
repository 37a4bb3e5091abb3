"""The rows of a simulated cine-MR study: what a clinic's cohort.csv would hold, and the truth behind it."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from medcl.imaging.simulate.cardiac_mr import Heart
from medcl.imaging.simulate.study_tables import patient_name
from medcl.imaging.simulate.ventricles import Ventricles

CARDIAC_COLUMNS = (
    "patient",
    "exam",
    "sequence",
    "image",
    "mask",
    "modality",
    "site",
    "scanner",
    "group",
    "ejection_fraction [%]",
    "rv_ejection_fraction [%]",
    "lv_volume [mL]",
    "rv_volume [mL]",
    "age [years]",
    "sex",
    "body_surface [m2]",
    "heart_rate [/min]",
)
"""Header of cohort.csv. Ejection fractions are the patient's; volumes are those of the row's exam."""

MISSING = {"age": 0.03, "heart_rate": 0.03}
"""How often a patient's value is missing."""


def cardiac_clinical_values(heart: Heart, exam: str) -> dict[str, str]:
    """Return the cells of an exam's row in cohort.csv that come from the clinic; "" where missing."""
    patient, beat = heart.patient, heart.beat
    chance = np.random.default_rng((*heart.seed, 9)).random(2)
    volumes = beat.at(exam).volumes
    return {
        "patient": patient_name(patient.number),
        "exam": exam,
        "modality": "mr",
        "site": patient.site,
        "scanner": heart.session.scanner,
        "group": patient.group,
        "ejection_fraction [%]": f"{beat.left_ejection:.1f}",
        "rv_ejection_fraction [%]": f"{beat.right_ejection:.1f}",
        "lv_volume [mL]": f"{volumes['left']:.1f}",
        "rv_volume [mL]": f"{volumes['right']:.1f}",
        "age [years]": f"{patient.age:.0f}" if chance[0] >= MISSING["age"] else "",
        "sex": "female" if patient.female else "male",
        "body_surface [m2]": f"{patient.surface:.2f}",
        "heart_rate [/min]": f"{patient.heart_rate:.0f}" if chance[1] >= MISSING["heart_rate"] else "",
    }


def cardiac_true_values(heart: Heart, exam: str) -> dict[str, Any]:
    """Return an exam's row of truth.csv: volumes, walls and everything that shaped its image, units in the names."""
    patient, beat, session = heart.patient, heart.beat, heart.session
    shape = beat.at(exam)
    volumes = shape.volumes
    row: dict[str, Any] = {
        "patient": patient_name(patient.number),
        "exam": exam,
        "group": patient.group,
        "lv_volume [mL]": volumes["left"],
        "rv_volume [mL]": volumes["right"],
        "myocardium_volume [mL]": volumes["wall"],
        "lv_end_diastolic_volume [mL]": beat.diastole.volumes["left"],
        "lv_end_systolic_volume [mL]": beat.systole.volumes["left"],
        "rv_end_diastolic_volume [mL]": beat.diastole.volumes["right"],
        "rv_end_systolic_volume [mL]": beat.systole.volumes["right"],
        "ejection_fraction [%]": beat.left_ejection,
        "rv_ejection_fraction [%]": beat.right_ejection,
        **{f"wall_{name} [mm]": value for name, value in wall_thickness(shape).items()},
        "lv_length [mm]": shape.length,
        "base_descent [mm]": -beat.systole.base,
    }
    row |= {"age [years]": patient.age, "sex": "female" if patient.female else "male"}
    row |= {"weight [kg]": patient.weight, "height [cm]": patient.height, "body_surface [m2]": patient.surface}
    row |= {"heart_rate [/min]": patient.heart_rate, "site": patient.site, "scanner": session.scanner}
    row |= {"slices": session.grid.shape[2], "slice_thickness [mm]": session.thickness}
    row |= {"breath_hold_spread [mm]": float(session.breaths[:, 2].std()), "ghost": session.ghost[0]}
    row |= {name: getattr(session.receiver, name) for name in ("gain", "noise", "remaining")}
    chest = [item.name for item in fields(heart.chest) if isinstance(getattr(heart.chest, item.name), float)]
    row |= {f"chest_{name}": getattr(heart.chest, name) for name in chest}
    place = session.pose @ heart.pose @ [0.0, 0.0, -0.45 * beat.diastole.length, 1.0]
    row |= {f"heart_{axis} [mm]": float(value) for axis, value in zip("xyz", place, strict=False)}
    return row


def wall_thickness(shape: Ventricles) -> dict[str, float]:
    """Return the left wall's thickness in mm across the axis.

    Mean, septal and lateral are those of the widest level; thinnest and thickest are sought from there to the apical
    third.
    """
    theta = np.linspace(0, 2 * np.pi, 72, endpoint=False, dtype=np.float32)[:, None]
    level = np.linspace(-0.7, 0, 15, dtype=np.float32)[None, :]
    thick = shape.thickness(theta, level)
    from_septum = np.abs((theta[:, 0] + np.pi) % (2 * np.pi) - np.pi)
    return {
        "mean": float(thick[:, -1].mean()),
        "septal": float(thick[from_septum < np.pi / 6, -1].mean()),
        "lateral": float(thick[from_septum > np.pi * 5 / 6, -1].mean()),
        "thinnest": float(thick.min()),
        "thickest": float(thick.max()),
    }
