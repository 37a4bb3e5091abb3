"""A person's belly, put together: trunk, four organs and what lies round them, and how they are painted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medcl.imaging.simulate.abdomen_contents import (
    Contents,
    draw_belly,
    paint_belly,
    paint_gallbladder,
    paint_vessels,
)
from medcl.imaging.simulate.abdomen_kidney import AbdomenKidney, draw_abdomen_kidney, paint_abdomen_kidney
from medcl.imaging.simulate.abdomen_liver import Liver, draw_liver, paint_liver
from medcl.imaging.simulate.abdomen_person import AbdomenPerson
from medcl.imaging.simulate.abdomen_spleen import Spleen, draw_spleen, paint_spleen
from medcl.imaging.simulate.abdomen_trunk import Trunk, draw_trunk, paint_trunk
from medcl.imaging.simulate.organ_canvas import OrganCanvas

LIVER, RIGHT_KIDNEY, LEFT_KIDNEY, SPLEEN = 1, 2, 3, 4
"""Values of the masks."""

ORGANS = {LIVER: "liver", RIGHT_KIDNEY: "right kidney", LEFT_KIDNEY: "left kidney", SPLEEN: "spleen"}
"""Their names."""


@dataclass(frozen=True)
class Belly:
    """A person's anatomy in the patient's frame."""

    trunk: Trunk
    liver: Liver
    spleen: Spleen
    right: AbdomenKidney
    left: AbdomenKidney
    contents: Contents

    @property
    def extent(self) -> tuple[float, float]:
        """Lowest and highest z in mm of the four organs, at most."""
        kidneys = min(float(kidney.centre[2] - kidney.reach[2]) for kidney in (self.right, self.left))
        spleen = float(self.spleen.centre[2] - self.spleen.reach[2])
        return min(kidneys, spleen, self.liver.lowest), max(self.trunk.domes)


def draw_anatomy(person: AbdomenPerson, random: np.random.Generator) -> Belly:
    """Draw the anatomy of a person."""
    trunk = draw_trunk(person, random)
    liver = draw_liver(trunk, person.frame, random)
    spleen = draw_spleen(trunk, person.frame, random)
    size = person.frame * float(np.exp(random.normal(0, 0.05))) * (1 - 0.0015 * (person.age - 55))
    right = draw_abdomen_kidney(1.0, trunk, size, random)
    left = draw_abdomen_kidney(-1.0, trunk, size, random)
    return Belly(trunk, liver, spleen, right, left, draw_belly(trunk, random))


def paint_anatomy(canvas: OrganCanvas, belly: Belly) -> None:
    """Paint it all, what lies behind first; what is painted later takes the place of what was there."""
    paint_trunk(canvas, belly.trunk)
    paint_belly(canvas, belly.contents, belly.trunk)
    paint_spleen(canvas, belly.spleen, belly.trunk, SPLEEN)
    paint_liver(canvas, belly.liver, belly.trunk, belly.right, LIVER)
    paint_gallbladder(canvas, belly.contents)
    paint_abdomen_kidney(canvas, belly.right, RIGHT_KIDNEY)
    paint_abdomen_kidney(canvas, belly.left, LEFT_KIDNEY)
    paint_vessels(canvas, belly.contents, belly.trunk, (belly.right, belly.left))
