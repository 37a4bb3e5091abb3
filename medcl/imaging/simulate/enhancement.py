"""Contrast agent in every tissue at one moment after the injection."""

from __future__ import annotations

import numpy as np

from medcl.imaging.simulate.arterial_input import ArterialInput
from medcl.imaging.simulate.compartments import delayed, exchanged, washed
from medcl.imaging.simulate.filtration import Graft, filtered_uptake
from medcl.imaging.simulate.tissues import TISSUES

STEP = 0.5
"""Seconds between samples of the curves."""

ARTERY_TO_GRAFT = 1.5
LEG_DELAY, LEG_TRANSIT = 12.0, 25.0
"""Seconds from the artery to the graft, and through the legs to the iliac vein."""


def tissue_concentrations(graft: Graft, arterial: ArterialInput, seconds: float | None) -> dict[str, float]:
    """Return mmol of contrast agent per litre of each tissue.

    Args:
        graft: the kidney's function.
        arterial: the artery's curve.
        seconds: time after the injection; None before it.
    """
    if seconds is None:
        return dict.fromkeys(TISSUES, 0.0)
    times = np.arange(0.0, seconds + 2 * STEP, STEP)
    plasma = arterial.plasma(times)
    kidney = filtered_uptake(graft, delayed(plasma, ARTERY_TO_GRAFT, STEP), STEP)
    venous = delayed(washed(plasma / LEG_TRANSIT, LEG_TRANSIT, STEP), LEG_DELAY, STEP)
    cells = 1.0 - arterial.hematocrit
    curves = {
        "artery": cells * plasma,
        "vein": cells * venous,
        "renal_vein": cells * delayed(kidney.plasma, 3.0, STEP),
        "cortex": kidney.cortex,
        "medulla": kidney.medulla,
        "urine": kidney.urine,
    }
    for name, tissue in TISSUES.items():
        if tissue.uptake is not None:
            volume, transfer, extracellular = tissue.uptake
            curves[name] = exchanged(plasma, STEP, plasma_volume=volume, transfer=transfer, extracellular=extracellular)
    nothing = np.zeros_like(times)
    return {name: float(np.interp(seconds, times, curves.get(name, nothing))) for name in TISSUES}
