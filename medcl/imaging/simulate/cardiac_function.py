"""Patients with five kinds of hearts, and what their ventricles do: volumes, ejection fractions, wall thickness.

The groups and their limits are those of the ACDC set (Bernard O et al., IEEE Trans Med Imaging 37:2514, 2018): healthy;
dilated cardiomyopathy (left ventricle above 100 mL/m2, ejection fraction below 40%); hypertrophic cardiomyopathy (wall
above 15 mm in several segments, normal ejection fraction); myocardial infarction (ejection fraction below 40% and a
part of the wall thin and still); abnormal right ventricle (above 110 mL/m2 or ejection fraction below 40%). Within
these limits the distributions are chosen, not fitted. Body surface after Du Bois D, Du Bois EF (Arch Intern Med 17:863,
1916).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

GROUPS = ("normal", "dilated", "hypertrophic", "infarction", "abnormal right ventricle")


@dataclass(frozen=True)
class Likely:
    """What is drawn for a group: mean, standard deviation, lowest and highest of each.

    Args:
        left: volume of the left ventricle at end-diastole in mL per m2 of body surface.
        left_ejection: its ejection fraction in %.
        right: the same of the right ventricle.
        right_ejection: the same of the right ventricle.
        wall: thickness of the left wall at end-diastole in mm.
    """

    left: tuple[float, float, float, float]
    left_ejection: tuple[float, float, float, float]
    right: tuple[float, float, float, float]
    right_ejection: tuple[float, float, float, float]
    wall: tuple[float, float, float, float]


DISTRIBUTIONS = {
    "normal": Likely(
        (70, 9, 50, 88),
        (62, 4, 54, 72),
        (74, 9, 54, 95),
        (57, 5, 46, 68),
        (7.6, 0.9, 5.8, 9.5),
    ),
    "dilated": Likely(
        (132, 24, 104, 190),
        (24, 7, 10, 38),
        (82, 16, 55, 125),
        (40, 9, 20, 58),
        (8.0, 1.0, 6.2, 10),
    ),
    "hypertrophic": Likely(
        (64, 9, 46, 85),
        (68, 5, 58, 78),
        (68, 9, 50, 90),
        (60, 6, 48, 72),
        (10.5, 1.2, 8.5, 13),
    ),
    "infarction": Likely((98, 19, 68, 150), (31, 5, 18, 39), (72, 11, 52, 100), (52, 7, 35, 65), (8.4, 1.0, 6.6, 10.5)),
    "abnormal right ventricle": Likely(
        (64, 9, 46, 85),
        (57, 6, 45, 68),
        (138, 22, 112, 185),
        (38, 8, 22, 54),
        (7.4, 0.9, 5.8, 9.5),
    ),
}


@dataclass(frozen=True)
class CardiacPatient:
    """A person and what the heart is to do.

    Args:
        number: from 1.
        group: one of `GROUPS`.
        female: sex.
        age: years.
        weight: kg.
        height: cm.
        heart_rate: beats per minute.
        left_volume: mL at end-diastole that the left ventricle aims at; the truth is counted from its shape.
        left_ejection: ejection fraction in %, likewise.
        right_volume: mL at end-diastole of the right ventricle.
        right_ejection: in %.
        wall: thickness of the left ventricle's wall in mm at end-diastole, away from diseased parts.
        site: hospital.
    """

    number: int
    group: str
    female: bool
    age: float
    weight: float
    height: float
    heart_rate: float
    left_volume: float
    left_ejection: float
    right_volume: float
    right_ejection: float
    wall: float
    site: str

    @property
    def surface(self) -> float:
        """Body surface in m2."""
        return float(0.007184 * self.weight**0.425 * self.height**0.725)

    @property
    def fatness(self) -> float:
        """Body-mass index in kg/m2."""
        return self.weight / (self.height / 100) ** 2


def draw_cardiac_patient(seed: int, number: int, random: np.random.Generator) -> CardiacPatient:
    """Draw patient `number` (from 1) of the study with this seed; every five patients hold each group once."""
    block, place = divmod(number - 1, len(GROUPS))
    # Keys of patients are (seed, number, stream) with numbers from 1: 0 is nobody's.
    order = np.random.default_rng((seed, 0, block + 1)).permutation(len(GROUPS))
    group = GROUPS[order[place]]
    expected = DISTRIBUTIONS[group]
    female = bool(random.random() < 0.4)
    height = float(random.normal(163 if female else 176, 7))
    weight = float(np.clip(random.normal(26, 4), 18.5, 38) * (height / 100) ** 2)
    surface = 0.007184 * weight**0.425 * height**0.725
    # Women's ventricles are smaller at the same body surface.
    size = surface * (0.94 if female and group == "normal" else 1.0)
    return CardiacPatient(
        number=number,
        group=group,
        female=female,
        age=float(np.clip(random.normal(46 if group == "normal" else 57, 14), 18, 84)),
        weight=weight,
        height=height,
        heart_rate=float(np.clip(random.normal(76 if group == "dilated" else 68, 10), 45, 110)),
        left_volume=_drawn(expected.left, random) * size,
        left_ejection=_drawn(expected.left_ejection, random),
        right_volume=_drawn(expected.right, random) * size,
        right_ejection=_drawn(expected.right_ejection, random),
        wall=_drawn(expected.wall, random) * (surface / 1.85) ** 0.3,
        site=str(random.choice(["east", "west"])),
    )


def _drawn(likely: tuple[float, float, float, float], random: np.random.Generator) -> float:
    mean, spread, low, high = likely
    return float(np.clip(random.normal(mean, spread), low, high))
