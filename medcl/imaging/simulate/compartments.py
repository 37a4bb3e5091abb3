"""First-order compartments: the building block of every uptake curve here."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter


def washed(inflow: NDArray[Any], transit_time: float, step: float) -> NDArray[Any]:
    """Return the amount y in a well-mixed compartment, y' = inflow - y / transit_time, y(0) = 0.

    Exact for an inflow that is linear between samples.

    Args:
        inflow: amount per second, sampled every `step` seconds from time 0.
        transit_time: mean transit time in seconds.
        step: seconds between samples.
    """
    decay = np.exp(-step / transit_time)
    gained = 1.0 - decay
    late = transit_time * (1.0 - transit_time / step * gained)
    early = transit_time * gained - late
    # y[n] = decay y[n-1] + early x[n-1] + late x[n]; the filter's initial state makes y[0] = 0.
    amount, _ = lfilter([late, early], [1.0, -decay], inflow, zi=[-late * inflow[0]])
    return np.asarray(amount)


def delayed(curve: NDArray[Any], seconds: float, step: float) -> NDArray[Any]:
    """Return the curve later by `seconds` (plug flow), 0 before it begins."""
    times = np.arange(curve.size) * step
    return np.asarray(np.interp(times - seconds, times, curve, left=0.0))


def exchanged(
    plasma: NDArray[Any], step: float, *, plasma_volume: float, transfer: float, extracellular: float
) -> NDArray[Any]:
    """Return tissue concentration by the extended Tofts model (Tofts PS, J Magn Reson Imaging 7:91, 1997).

    Args:
        plasma: arterial plasma concentration in mmol/L every `step` seconds.
        step: seconds between samples.
        plasma_volume: v_p, fraction.
        transfer: Ktrans in 1/min.
        extracellular: v_e, fraction.
    """
    leaked = washed(transfer / 60.0 * plasma, 60.0 * extracellular / transfer, step)
    return np.asarray(plasma_volume * plasma + leaked)
