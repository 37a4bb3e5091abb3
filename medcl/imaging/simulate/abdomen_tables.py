"""The rows of a simulated abdomen study: what a clinic's cohort.csv would hold, and the truth behind it."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from medcl.imaging.simulate.abdomen_anatomy import ORGANS
from medcl.imaging.simulate.abdomen_ct_mr import Abdomen, AbdomenImage
from medcl.imaging.simulate.ct_detector import Detector
from medcl.imaging.simulate.study_tables import patient_name

ABDOMEN_COLUMNS = (
    "patient",
    "sequence",
    "image",
    "mask",
    "modality",
    "site",
    "scanner",
    "age [years]",
    "sex",
    "weight [kg]",
    "height [cm]",
)
"""Header of cohort.csv."""

MISSING = {"age": 0.03, "weight": 0.03}
"""How often a patient's value is missing."""


def abdomen_clinical_values(abdomen: Abdomen) -> dict[str, str]:
    """Return the cells of a patient's row in cohort.csv that come from the clinic; "" where missing."""
    person = abdomen.person
    chance = np.random.default_rng((*abdomen.seed, 9)).random(2)
    return {
        "patient": patient_name(person.number),
        "modality": person.modality,
        "site": person.site,
        "scanner": abdomen.session.scanner,
        "age [years]": f"{person.age:.0f}" if chance[0] >= MISSING["age"] else "",
        "sex": "female" if person.female else "male",
        "weight [kg]": f"{person.weight:.0f}" if chance[1] >= MISSING["weight"] else "",
        "height [cm]": f"{person.height:.0f}",
    }


def abdomen_true_values(abdomen: Abdomen, image: AbdomenImage) -> dict[str, Any]:
    """Return a patient's row of truth.csv: organs and everything that shaped the image, units in the names.

    CT and MR patients have the same columns; what the other modality alone has is "".
    """
    person, belly, session, device = abdomen.person, abdomen.belly, abdomen.session, abdomen.device
    row: dict[str, Any] = {
        "patient": patient_name(person.number),
        "modality": person.modality,
        "sequence": person.sequence,
        "age [years]": person.age,
        "sex": "female" if person.female else "male",
        "weight [kg]": person.weight,
        "height [cm]": person.height,
        "site": person.site,
        "scanner": session.scanner,
    }
    row |= {f"{_word(name)}_volume [mL]": image.volumes[label] for label, name in ORGANS.items()}
    places = {"liver": belly.liver.lobes[0][0], "right_kidney": belly.right.centre}
    places |= {"left_kidney": belly.left.centre, "spleen": belly.spleen.centre}
    for name, place in places.items():
        scanner = session.pose @ np.append(place, 1.0)
        row |= {f"{name}_{axis} [mm]": float(value) for axis, value in zip("xyz", scanner, strict=False)}
    row["liver_fat"] = person.liver_fat
    ct = isinstance(device, Detector)
    for name in ("liver", "spleen", "cortex", "medulla", "fat", "muscle", "gut_wall", "artery"):
        row[f"{name}_hu [HU]"] = abdomen.signal[name] if ct else ""
        row[f"{name}_signal"] = "" if ct else abdomen.signal[name]
    row["noise [HU]"] = device.noise(float(np.sqrt(np.prod(abdomen.size)))) if isinstance(device, Detector) else ""
    row |= {name: getattr(device, name) if ct else "" for name in ("dose", "kernel")}
    row |= {name: "" if ct else getattr(device, name) for name in ("gain", "noise", "remaining")}
    row["field_spread"] = "" if ct else abdomen.field[1]
    row |= {"slices": session.grid.shape[2], "pixel [mm]": float(session.grid.spacing[0])}
    row |= {"slice_distance [mm]": float(session.grid.spacing[2]), "body_width [mm]": abdomen.size[0]}
    trunk = [item.name for item in fields(belly.trunk) if isinstance(getattr(belly.trunk, item.name), float)]
    return row | {f"trunk_{name}": getattr(belly.trunk, name) for name in trunk}


def _word(name: str) -> str:
    return name.replace(" ", "_")
