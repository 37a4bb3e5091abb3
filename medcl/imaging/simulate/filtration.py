"""From the arterial curve and the filtration rate to contrast agent in cortex, medulla and urine.

The two-compartment filtration model of Sourbron SP et al. (Invest Radiol 43:40, 2008): a plasma compartment fed by
the artery and a tubular compartment fed by filtration,

    V_P c_P' = F_P (c_A - c_P),      A_T' = F_T c_P - A_T / T_T,

here with its tubular compartment split in series, as in the cortex-medulla models of Lee VS et al. (Am J Physiol Renal
292:F1548, 2007) and Zhang JL et al. (Magn Reson Med 59:278, 2008), because the image shows the parts apart:

    proximal tubules (cortex) -> loops and collecting ducts (medulla) -> calyces and pelvis -> bladder.

What leaves one part enters the next, so that at every moment the amounts add up to what was filtered, GFR times the
integral of c_P. Medulla also has plasma of its own (vasa recta), which the cortical plasma reaches late. Transit
times do not follow GFR: a graft that lost nephrons has fewer of them, not slower ones.

Orders of magnitude behind the defaults (healthy kidneys in the papers above, single kidney): F_P about 2 mL/min/mL of
cortex, plasma transit 3 to 6 s, tubular transit 1 to 3 min in total, medullary plasma volume fraction about 0.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medcl.imaging.simulate.compartments import delayed, washed


@dataclass(frozen=True)
class Graft:
    """The function of a kidney.

    Args:
        filtration: the kidney's own filtration rate in mL of plasma per minute (not indexed to body surface).
        plasma_flow: F_P in mL of plasma per minute per mL of cortex.
        plasma_volume: V_P, fraction of the cortex.
        vasa_recta: plasma fraction of the medulla.
        vasa_recta_transit: seconds.
        proximal_transit, medullary_transit, pelvic_transit: mean transit times of the tubular parts in seconds.
        loop_delay: seconds of plug flow between proximal tubules and medulla.
        cortex_ml, medulla_ml, urine_ml: volumes of the parts in mL.
    """

    filtration: float
    plasma_flow: float
    plasma_volume: float
    vasa_recta: float
    vasa_recta_transit: float
    proximal_transit: float
    medullary_transit: float
    pelvic_transit: float
    loop_delay: float
    cortex_ml: float
    medulla_ml: float
    urine_ml: float


@dataclass(frozen=True)
class Uptake:
    """Contrast agent over time: concentrations in mmol per litre of tissue, amounts in micromol.

    Args:
        plasma: cortical plasma, mmol per litre of plasma.
        cortex, medulla, urine: tissue concentrations.
        proximal, medullary, pelvic, drained: amounts in the tubular parts and gone to the bladder.
        filtered: amount filtered so far.
    """

    plasma: NDArray[Any]
    cortex: NDArray[Any]
    medulla: NDArray[Any]
    urine: NDArray[Any]
    proximal: NDArray[Any]
    medullary: NDArray[Any]
    pelvic: NDArray[Any]
    drained: NDArray[Any]
    filtered: NDArray[Any]


def filtered_uptake(graft: Graft, arterial: NDArray[Any], step: float) -> Uptake:
    """Return the uptake of a kidney.

    Args:
        graft: its function.
        arterial: plasma concentration in its artery, mmol/L, sampled every `step` seconds from time 0.
        step: seconds between samples.
    """
    transit = 60.0 * graft.plasma_volume / graft.plasma_flow
    plasma = washed(arterial / transit, transit, step)
    inflow = graft.filtration / 60.0 * plasma  # mL/s times mmol/L is micromol/s
    proximal = washed(inflow, graft.proximal_transit, step)
    descending = proximal / graft.proximal_transit
    into_medulla = delayed(descending, graft.loop_delay, step)
    medullary = washed(into_medulla, graft.medullary_transit, step)
    into_pelvis = medullary / graft.medullary_transit
    pelvic = washed(into_pelvis, graft.pelvic_transit, step)
    # What is still inside the delay line lies in the descending limbs, in the medulla.
    in_transit = _total(descending - into_medulla, step)
    recta = washed(plasma / graft.vasa_recta_transit, graft.vasa_recta_transit, step)
    return Uptake(
        plasma=plasma,
        cortex=graft.plasma_volume * plasma + proximal / graft.cortex_ml,
        medulla=graft.vasa_recta * recta + (medullary + in_transit) / graft.medulla_ml,
        urine=pelvic / graft.urine_ml,
        proximal=proximal,
        medullary=medullary + in_transit,
        pelvic=pelvic,
        drained=_total(pelvic / graft.pelvic_transit, step),
        filtered=_total(inflow, step),
    )


def _total(rate: NDArray[Any], step: float) -> NDArray[Any]:
    """The running integral by the trapezoidal rule, 0 at time 0."""
    return np.concatenate([[0.0], np.cumsum(0.5 * (rate[1:] + rate[:-1]) * step)])
