"""The signal of a T2-weighted turbo spin echo with fat suppression.

A spin echo (Hahn EL, Phys Rev 80:580, 1950) of TR and TE gives

    S = M0 (1 - exp(-TR / T1)) exp(-TE / T2)

when TE is well below TR. A turbo spin echo (RARE: Hennig J, Nauerth A, Friedburg H, Magn Reson Med 3:823, 1986) has the
contrast of its effective echo time; that the train of pulses makes fat brighter and, by magnetisation transfer, muscle
and liver darker is left out. Fat suppression by a selective pulse leaves a share of the fat's signal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class SpinEchoProtocol:
    """How a T2-weighted series is acquired.

    Args:
        field: main magnetic field in tesla, 1.5 or 3.
        repetition_time: TR in ms.
        echo_time: effective TE in ms.
    """

    field: float
    repetition_time: float
    echo_time: float


def spin_echo_signal(protocol: SpinEchoProtocol, *, density: ArrayLike, t1: ArrayLike, t2: ArrayLike) -> NDArray[Any]:
    """Return the signal in units of `density`.

    Args:
        protocol: the sequence.
        density: M0, equilibrium magnetisation in arbitrary units.
        t1: ms.
        t2: ms.
    """
    recovered = 1.0 - np.exp(-protocol.repetition_time / np.asarray(t1))
    return np.asarray(np.asarray(density) * recovered * np.exp(-protocol.echo_time / np.asarray(t2)))
