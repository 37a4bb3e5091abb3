"""The signal of a balanced steady-state free-precession sequence (bSSFP), the one of cardiac cine MR.

With the phase of the pulses alternating, and the echo in the middle of TR, a spin that precesses by an angle p per TR
(0 = on resonance) gives (Freeman R, Hill HDW, J Magn Reson 4:366, 1971; in the form for alternating pulses)

    S = M0 sin(a) (1 - E1) sqrt((1 + E2 cos p)^2 + (E2 sin p)^2) / (D - C cos p) exp(-TE / T2)
    C = E2 (E1 - 1) (1 + cos a),   D = 1 - E1 cos a - (E1 - cos a) E2^2,   E1 = exp(-TR/T1),   E2 = exp(-TR/T2)

which on resonance and for TR well below T1 and T2 becomes sin(a) / (1 + cos a + (1 - cos a) T1/T2) (Scheffler K,
Lehnhardt S, Eur Radiol 13:2409, 2003): contrast is by T2/T1, so that blood and fat are bright alike and muscle is dark.
Near p = 180 degrees the signal vanishes: the dark bands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

FAT_SHIFT_HZ = {1.5: -220.0, 3.0: -440.0}
"""How far fat precesses from water, by field strength in tesla (3.4 parts per million)."""


@dataclass(frozen=True)
class CineProtocol:
    """How a cine series is acquired.

    Args:
        field: main magnetic field in tesla, 1.5 or 3.
        repetition_time: TR in ms; the echo is at half of it.
        flip_angle: in degrees.
    """

    field: float
    repetition_time: float
    flip_angle: float


def balanced_signal(
    protocol: CineProtocol, *, density: ArrayLike, t1: ArrayLike, t2: ArrayLike, off_resonance: ArrayLike = 0.0
) -> NDArray[Any]:
    """Return the signal in the steady state, in units of `density`.

    Args:
        protocol: the sequence.
        density: M0, equilibrium magnetisation in arbitrary units.
        t1: ms.
        t2: ms.
        off_resonance: Hz from the frequency to which the scanner is tuned.
    """
    repetition = protocol.repetition_time
    longitudinal, transverse = np.exp(-repetition / np.asarray(t1)), np.exp(-repetition / np.asarray(t2))
    angle = np.deg2rad(protocol.flip_angle)
    turn = 2 * np.pi * np.asarray(off_resonance) * repetition / 1000.0
    c = transverse * (longitudinal - 1) * (1 + np.cos(angle))
    d = 1 - longitudinal * np.cos(angle) - (longitudinal - np.cos(angle)) * transverse**2
    length = np.hypot(1 + transverse * np.cos(turn), transverse * np.sin(turn))
    echo = np.exp(-0.5 * repetition / np.asarray(t2))
    return np.asarray(density * np.sin(angle) * (1 - longitudinal) * length / (d - c * np.cos(turn)) * echo)
