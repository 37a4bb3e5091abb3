"""The concentration of contrast agent in the arteries after an injection.

The population curve of Parker GJM et al. (Magn Reson Med 56:993, 2006; 0.1 mmol/kg at 3 mL/s) for whole blood: two
Gaussians (first pass and recirculation) and an exponential washout behind a sigmoid. A person departs from it by
cardiac output (the first pass is as much wider as it carries more area: area = dose / cardiac output), by dose for
the volume it spreads in, by the bolus' arrival and, in plasma, by hematocrit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Parker 2006, table 1: mmol min / L, min, min, mmol / L, 1/min, 1/min, min.
AREAS = (0.809, 0.330)
CENTRES = (0.17046, 0.365)
WIDTHS = (0.0563, 0.132)
WASHOUT, WASHOUT_RATE = 1.050, 0.1685
SIGMOID_RATE, SIGMOID_CENTRE = 38.078, 0.483


@dataclass(frozen=True)
class ArterialInput:
    """One person's arterial curve; the default is the population's.

    Args:
        dose: amplitude relative to the population's.
        cardiac_output: relative to the population's; lower means a wider first pass.
        hematocrit: of the large vessels.
        arrival: seconds from injection to the bolus' arrival.
    """

    dose: float = 1.0
    cardiac_output: float = 1.0
    hematocrit: float = 0.42
    arrival: float = 0.0

    def blood(self, seconds: ArrayLike) -> NDArray[Any]:
        """Return mmol per litre of whole blood at times after injection, 0 before the arrival."""
        minutes = (np.asarray(seconds, dtype=float) - self.arrival) / 60.0
        pace = minutes * self.cardiac_output
        curve = np.zeros_like(minutes)
        for area, centre, width in zip(AREAS, CENTRES, WIDTHS, strict=True):
            curve += area / (width * np.sqrt(2.0 * np.pi)) * np.exp(-0.5 * ((pace - centre) / width) ** 2)
        # The exponent is bounded only to keep exp() finite long before the bolus.
        gate = 1.0 / (1.0 + np.exp(np.clip(-SIGMOID_RATE * (pace - SIGMOID_CENTRE), -60.0, 60.0)))
        curve += WASHOUT * np.exp(-WASHOUT_RATE * minutes) * gate
        return np.where(minutes > 0.0, self.dose * curve, 0.0)

    def plasma(self, seconds: ArrayLike) -> NDArray[Any]:
        """Return mmol per litre of plasma: blood / (1 - hematocrit), as the agent stays out of the cells."""
        return self.blood(seconds) / (1.0 - self.hematocrit)
