"""What tissues measure in CT, in Hounsfield units.

A Hounsfield unit is a thousandth of the difference in attenuation between water (0) and air (-1000) (Hounsfield GN, Br
J Radiol 46:1016, 1973), so volumes mix linearly: a liver that holds fat measures between lean liver and fat. Without
contrast agent a liver of living people measures about 50 to 70 and a spleen about 10 less (textbooks). These and all
other values here, with contrast agent in the portal-venous phase too, are chosen, of the usual order at 120 kV; none is
fitted.
"""

from __future__ import annotations

import numpy as np

LEAN_LIVER, FAT = 62.0, -100.0

UNENHANCED = {
    "air": -1000.0,
    "couch": -150.0,
    "skin": 10.0,
    "fat": FAT,
    "muscle": 55.0,
    "bone": 700.0,
    "marrow": 190.0,
    "disc": 75.0,
    "cord": 35.0,
    "csf": 12.0,
    "lung": -850.0,
    "lung_vessel": 40.0,
    "myocardium": 45.0,
    "heart_blood": 42.0,
    "artery": 42.0,
    "vein": 42.0,
    "portal": 42.0,
    "pancreas": 40.0,
    "gut_wall": 42.0,
    "gut_fluid": 15.0,
    "gut_food": 45.0,
    "gut_stool": 60.0,
    "gut_contrast": 220.0,
    "gut_gas": -980.0,
    "bile": 8.0,
    "urine": 5.0,
    "liver": LEAN_LIVER,
    "liver_vessel": 42.0,
    "cyst": 8.0,
    "spleen": 50.0,
    "cortex": 35.0,
    "medulla": 33.0,
}
"""Without contrast agent; `liver` is lean liver."""

PORTAL_GAIN = {
    "skin": 10.0,
    "muscle": 11.0,
    "marrow": 12.0,
    "lung_vessel": 100.0,
    "myocardium": 68.0,
    "heart_blood": 105.0,
    "artery": 116.0,
    "vein": 112.0,
    "portal": 128.0,
    "pancreas": 58.0,
    "gut_wall": 55.0,
    "liver": 45.0,
    "liver_vessel": 122.0,
    "spleen": 64.0,
    "cortex": 142.0,
    "medulla": 122.0,
}
"""What contrast agent adds in the portal-venous phase; nothing to tissues that are not named."""

SPREAD = {
    "marrow": 35.0,
    "bone": 90.0,
    "gut_contrast": 60.0,
    "gut_food": 18.0,
    "gut_stool": 25.0,
    "lung": 30.0,
    "fat": 5.0,
}
"""Standard deviation between patients; `SOFT_SPREAD` of tissues that are not named, none of air."""

SOFT_SPREAD = 3.0
IODINE_SPREAD = 0.22
"""Between patients, of the logarithm of what contrast agent adds: dose, weight and heart differ."""

BONE_LOSS = 1.6
"""HU that marrow loses per year of age from 45 on, and has more before."""


def draw_hounsfield(*, portal: bool, liver_fat: float, age: float, random: np.random.Generator) -> dict[str, float]:
    """Draw what each tissue of a patient measures.

    Args:
        portal: whether contrast agent is in its portal-venous phase.
        liver_fat: share of the liver's volume that is fat.
        age: years.
        random: the patient's own generator.
    """
    iodine = float(np.exp(random.normal(0, IODINE_SPREAD))) * portal
    found = {}
    for name, value in UNENHANCED.items():
        shift = 0.0 if name == "air" else float(random.normal(0, SPREAD.get(name, SOFT_SPREAD)))
        found[name] = value + shift + iodine * PORTAL_GAIN.get(name, 0.0)
    found["marrow"] = max(found["marrow"] - BONE_LOSS * (age - 45.0), 60.0)
    found["liver"] += liver_fat * (FAT - found["liver"])
    return found
