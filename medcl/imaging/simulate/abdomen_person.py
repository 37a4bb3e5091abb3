"""Persons whose abdomen is imaged, by CT or by MR, never by both: age, sex, build, fat in the liver, where and how."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MODALITIES = ("ct", "mr")
"""Patient P001 has CT, P002 MR, and so on in turns."""

SEQUENCES = {"ct": ("portal", "unenhanced"), "mr": ("t2",)}
"""What patients with CT have in turns: contrast agent in the portal-venous phase, or none."""


@dataclass(frozen=True)
class AbdomenPerson:
    """A person.

    Args:
        number: from 1.
        modality: "ct" or "mr".
        sequence: "portal" or "unenhanced" of a CT, "t2" of MR.
        female: sex.
        age: years.
        weight: kg.
        height: cm.
        liver_fat: share of the liver's volume that is fat.
        site: hospital.
    """

    number: int
    modality: str
    sequence: str
    female: bool
    age: float
    weight: float
    height: float
    liver_fat: float
    site: str

    @property
    def fatness(self) -> float:
        """Body-mass index in kg/m2."""
        return self.weight / (self.height / 100) ** 2

    @property
    def frame(self) -> float:
        """Size relative to a person of 170 cm with a body-mass index of 25, in one direction."""
        return float((self.height / 170.0) ** 0.7 * (self.fatness / 25.0) ** 0.15)


def draw_abdomen_person(number: int, random: np.random.Generator) -> AbdomenPerson:
    """Draw patient `number`; people with CT and people with MR come from one population.

    Distributions are chosen, of the usual order: a third has a fatty liver.
    """
    turn, which = divmod(number - 1, len(MODALITIES))
    modality = MODALITIES[which]
    sequences = SEQUENCES[modality]
    female = bool(random.random() < 0.5)
    height = float(random.normal(164 if female else 177, 7))
    fatness = float(np.clip(random.normal(26, 4.5), 18, 40))
    fatty = random.random() < 0.35
    return AbdomenPerson(
        number=number,
        modality=modality,
        sequence=sequences[turn % len(sequences)],
        female=female,
        age=float(np.clip(random.normal(56, 15), 20, 86)),
        weight=fatness * (height / 100) ** 2,
        height=height,
        liver_fat=float(random.uniform(0.06, 0.26) if fatty else random.uniform(0.01, 0.04)),
        site=str(random.choice(["north", "south"])),
    )
