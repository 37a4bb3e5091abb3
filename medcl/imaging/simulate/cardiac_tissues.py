"""What the simulated chest is made of: density and relaxation times in balanced steady-state images.

T1 and T2 at 1.5 T / 3 T in ms: blood 1441 / 1932 and 290 / 275, skeletal muscle 1008 / 1412 and 44 / 50 and liver 576 /
812 and 46 / 42 are those of Stanisz GJ et al. (Magn Reson Med 54:507, 2005); subcutaneous fat 343 / 382 and 58 / 68,
marrow 549 / 586 and 49 / 49 and spleen 1057 / 1328 and 79 / 61 those of de Bazelaire CMJ et al. (Radiology 230:652,
2004). Heart muscle in living hearts: T1 950 / 1052 of Dabir D et al. (J Cardiovasc Magn Reson 16:69, 2014), T2 52 at
1.5 T of Giri S et al. (J Cardiovasc Magn Reson 11:56, 2009) and a chosen 46 at 3 T. That venous blood has a shorter T2,
and the values of skin, bone, lung, fluid and stomach content and all densities are chosen, of the usual order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from medcl.imaging.simulate.balanced_steady_state import FAT_SHIFT_HZ, CineProtocol, balanced_signal


@dataclass(frozen=True)
class CineTissue:
    """One tissue.

    Args:
        density: of protons, 1 = pure water.
        t1: ms at 1.5 T and 3 T.
        t2: ms at 1.5 T and 3 T.
        fat: whether it precesses at the frequency of fat.
    """

    density: float
    t1: tuple[float, float]
    t2: tuple[float, float]
    fat: bool = False

    def changed(self, t1: float, t2: float) -> CineTissue:
        """The tissue with its relaxation times multiplied."""
        return replace(self, t1=(self.t1[0] * t1, self.t1[1] * t1), t2=(self.t2[0] * t2, self.t2[1] * t2))

    def signal(self, protocol: CineProtocol, off_resonance: float = 0.0) -> float:
        """Return its signal under a protocol, with water off resonance by so many Hz."""
        column = {1.5: 0, 3.0: 1}[protocol.field]
        shift = off_resonance + (FAT_SHIFT_HZ[protocol.field] if self.fat else 0.0)
        times = {"t1": self.t1[column], "t2": self.t2[column]}
        return float(balanced_signal(protocol, density=self.density, off_resonance=shift, **times))


CINE_TISSUES = {
    "air": CineTissue(0.0, (1000.0, 1000.0), (10.0, 10.0)),
    "skin": CineTissue(0.60, (800.0, 900.0), (35.0, 32.0)),
    "fat": CineTissue(1.0, (343.0, 382.0), (58.0, 68.0), fat=True),
    "muscle": CineTissue(0.80, (1008.0, 1412.0), (44.0, 50.0)),
    "bone": CineTissue(0.10, (900.0, 1000.0), (10.0, 10.0)),
    "marrow": CineTissue(0.60, (549.0, 586.0), (49.0, 49.0)),
    "lung": CineTissue(0.14, (1200.0, 1400.0), (40.0, 35.0)),
    "liver": CineTissue(0.80, (576.0, 812.0), (46.0, 42.0)),
    "spleen": CineTissue(0.82, (1057.0, 1328.0), (79.0, 61.0)),
    "fluid": CineTissue(1.0, (2600.0, 3200.0), (500.0, 400.0)),
    "food": CineTissue(0.75, (700.0, 850.0), (70.0, 60.0)),
    "myocardium": CineTissue(0.80, (950.0, 1052.0), (52.0, 46.0)),
    "left_blood": CineTissue(0.90, (1441.0, 1932.0), (290.0, 275.0)),
    "right_blood": CineTissue(0.90, (1441.0, 1932.0), (265.0, 240.0)),
    "vessel": CineTissue(0.90, (1441.0, 1932.0), (275.0, 255.0)),
}
"""Tissues by name. Blood has three names, since flow and oxygen change it from place to place."""
