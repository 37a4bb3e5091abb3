"""What the simulated belly is made of in MR: density and relaxation times for fat-suppressed T2-weighted images.

T1 and T2 at 1.5 T / 3 T in ms: kidney cortex 966 / 1142 and 87 / 76, medulla 1412 / 1545 and 85 / 81, liver 586 / 809
and 46 / 34, spleen 1057 / 1328 and 79 / 61, pancreas 584 / 725 and 46 / 43, muscle beside the spine 856 / 898 and
27 / 29, marrow 549 / 586 and 49 / 49 and subcutaneous fat 343 / 382 and 58 / 68 are those of de Bazelaire CMJ et al.
(Radiology 230:652, 2004); blood 1441 / 1932 and 290 / 275 and spinal cord 745 / 993 and 74 / 78 those of Stanisz GJ et
al. (Magn Reson Med 54:507, 2005). Heart muscle: T1 950 / 1052 of Dabir D et al. (J Cardiovasc Magn Reson 16:69, 2014),
T2 52 at 1.5 T of Giri S et al. (J Cardiovasc Magn Reson 11:56, 2009) and a chosen 46 at 3 T. All other times, all
densities and what flow leaves of the blood's signal are chosen, of the usual order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medcl.imaging.simulate.turbo_spin_echo import SpinEchoProtocol, spin_echo_signal


@dataclass(frozen=True)
class BellyTissue:
    """One tissue.

    Args:
        density: of protons, 1 = pure water.
        t1: ms at 1.5 T and 3 T.
        t2: ms at 1.5 T and 3 T.
        left: range of the share of its signal that is left by flow or fat suppression; (1, 1) where there is neither.
    """

    density: float
    t1: tuple[float, float]
    t2: tuple[float, float]
    left: tuple[float, float] = (1.0, 1.0)


_BLOOD = ((1441.0, 1932.0), (290.0, 275.0))
_FLUID = ((2600.0, 3200.0), (450.0, 380.0))

BELLY_TISSUES = {
    "air": BellyTissue(0.0, (1000.0, 1000.0), (10.0, 10.0)),
    "couch": BellyTissue(0.0, (1000.0, 1000.0), (10.0, 10.0)),
    "skin": BellyTissue(0.60, (800.0, 900.0), (35.0, 32.0)),
    "fat": BellyTissue(0.90, (343.0, 382.0), (58.0, 68.0), (0.04, 0.20)),
    "muscle": BellyTissue(0.80, (856.0, 898.0), (27.0, 29.0)),
    "bone": BellyTissue(0.10, (900.0, 1000.0), (10.0, 10.0)),
    "marrow": BellyTissue(0.60, (549.0, 586.0), (49.0, 49.0), (0.5, 0.9)),
    "disc": BellyTissue(0.75, (1000.0, 1150.0), (80.0, 70.0)),
    "cord": BellyTissue(0.75, (745.0, 993.0), (74.0, 78.0)),
    "csf": BellyTissue(1.0, *_FLUID),
    "lung": BellyTissue(0.14, (1200.0, 1400.0), (30.0, 25.0)),
    "lung_vessel": BellyTissue(0.90, *_BLOOD, (0.05, 0.3)),
    "myocardium": BellyTissue(0.80, (950.0, 1052.0), (52.0, 46.0)),
    "heart_blood": BellyTissue(0.90, *_BLOOD, (0.05, 0.3)),
    "artery": BellyTissue(0.90, *_BLOOD, (0.03, 0.15)),
    "vein": BellyTissue(0.90, *_BLOOD, (0.05, 0.5)),
    "portal": BellyTissue(0.90, *_BLOOD, (0.1, 0.6)),
    "pancreas": BellyTissue(0.82, (584.0, 725.0), (46.0, 43.0)),
    "gut_wall": BellyTissue(0.82, (950.0, 1150.0), (62.0, 54.0)),
    "gut_fluid": BellyTissue(0.90, (2000.0, 2400.0), (140.0, 120.0)),
    "gut_food": BellyTissue(0.84, (900.0, 1050.0), (88.0, 76.0)),
    "gut_stool": BellyTissue(0.80, (700.0, 850.0), (70.0, 58.0)),
    "gut_contrast": BellyTissue(0.85, (1200.0, 1400.0), (95.0, 80.0)),
    "gut_gas": BellyTissue(0.0, (1000.0, 1000.0), (10.0, 10.0)),
    "bile": BellyTissue(0.95, (1800.0, 2200.0), (220.0, 190.0)),
    "urine": BellyTissue(1.0, *_FLUID),
    "liver": BellyTissue(0.80, (586.0, 809.0), (46.0, 34.0)),
    "liver_vessel": BellyTissue(0.90, *_BLOOD, (0.1, 0.45)),
    "cyst": BellyTissue(0.98, *_FLUID),
    "spleen": BellyTissue(0.82, (1057.0, 1328.0), (79.0, 61.0)),
    "cortex": BellyTissue(0.82, (966.0, 1142.0), (87.0, 76.0)),
    "medulla": BellyTissue(0.88, (1412.0, 1545.0), (85.0, 81.0)),
}
"""Tissues by name. What has oral contrast agent in CT is watery content in MR."""

T1_SPREAD, T2_SPREAD = 0.06, 0.12
"""Standard deviation of the logarithm of relaxation times between patients. Chosen."""

WIDE_SPREAD = {"gut_food": 0.25, "gut_stool": 0.25, "gut_contrast": 0.3, "gut_fluid": 0.2}
"""The same of the T2 of what differs more."""


def draw_belly_signals(protocol: SpinEchoProtocol, liver_fat: float, random: np.random.Generator) -> dict[str, float]:
    """Draw the signal of each tissue of a patient.

    Args:
        protocol: the sequence.
        liver_fat: share of the liver's volume that is fat, which keeps as much signal as other fat.
        random: the exam's own generator.
    """
    column = {1.5: 0, 3.0: 1}[protocol.field]
    signals = {}
    for name, tissue in BELLY_TISSUES.items():
        t1, t2 = np.exp(random.normal(0, [T1_SPREAD, WIDE_SPREAD.get(name, T2_SPREAD)]))
        left = float(random.uniform(*tissue.left))
        times = {"t1": tissue.t1[column] * t1, "t2": tissue.t2[column] * t2}
        signals[name] = left * float(spin_echo_signal(protocol, density=tissue.density, **times))
    signals["liver"] += liver_fat * (signals["fat"] - signals["liver"])
    return signals
