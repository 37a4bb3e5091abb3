"""What the simulated pelvis is made of: density, relaxation times and uptake of contrast agent.

T1 at 1.5 T / 3 T in ms: kidney cortex 966 / 1142, medulla 1412 / 1545, muscle 856 / 898, subcutaneous fat 343 / 382
and marrow 549 / 586 are those of de Bazelaire CMJ et al. (Radiology 230:652, 2004); blood 1441 / 1932 that of Stanisz
GJ et al. (Magn Reson Med 54:507, 2005). Uptake of muscle, marrow, skin and gut (v_p, Ktrans in 1/min, v_e), the
others' T1, all T2* and water densities are rounded values of the usual order. `gut_bright` is bowel content with
short T1, as food rich in manganese or thick stool makes it.

Images are Dixon water images: `density` is that of water, so fat keeps only what leaks into the water image.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tissue:
    """One tissue.

    Args:
        density: water density, 1 = pure water.
        t1: ms at 1.5 T and 3 T.
        t2star: ms at 1.5 T and 3 T.
        uptake: (v_p, Ktrans in 1/min, v_e) of the extended Tofts model; None when it takes up nothing, or when its
            curve comes from the kidney's or the vessels' own model.
    """

    density: float
    t1: tuple[float, float]
    t2star: tuple[float, float]
    uptake: tuple[float, float, float] | None = None

    def native(self, field: float) -> tuple[float, float]:
        """Return T1 and T2* in ms at the field strength in tesla (1.5 or 3)."""
        column = {1.5: 0, 3.0: 1}[field]
        return self.t1[column], self.t2star[column]


TISSUES = {
    "air": Tissue(0.0, (1000.0, 1000.0), (10.0, 10.0)),
    "skin": Tissue(0.55, (700.0, 800.0), (25.0, 20.0), (0.02, 0.06, 0.25)),
    "fat": Tissue(0.09, (343.0, 382.0), (40.0, 30.0)),
    "muscle": Tissue(0.80, (856.0, 898.0), (32.0, 27.0), (0.015, 0.05, 0.11)),
    "bone": Tissue(0.08, (800.0, 900.0), (5.0, 4.0)),
    "marrow": Tissue(0.38, (549.0, 586.0), (15.0, 10.0), (0.02, 0.10, 0.15)),
    "gut_wall": Tissue(0.82, (950.0, 1150.0), (35.0, 28.0), (0.07, 0.25, 0.25)),
    "gut_fluid": Tissue(0.85, (1500.0, 1800.0), (60.0, 50.0)),
    "gut_bright": Tissue(0.70, (330.0, 380.0), (45.0, 35.0)),
    "gut_gas": Tissue(0.02, (1000.0, 1000.0), (3.0, 2.0)),
    "artery": Tissue(0.86, (1441.0, 1932.0), (120.0, 55.0)),
    "vein": Tissue(0.86, (1441.0, 1932.0), (90.0, 35.0)),
    "renal_vein": Tissue(0.86, (1441.0, 1932.0), (90.0, 35.0)),
    "bladder_wall": Tissue(0.80, (1000.0, 1150.0), (40.0, 33.0), (0.03, 0.10, 0.20)),
    "bladder": Tissue(1.0, (2600.0, 3200.0), (400.0, 250.0)),
    "cortex": Tissue(0.84, (966.0, 1142.0), (60.0, 45.0)),
    "medulla": Tissue(0.86, (1412.0, 1545.0), (45.0, 32.0)),
    "urine": Tissue(1.0, (2600.0, 3200.0), (400.0, 250.0)),
}
"""Tissues by name."""
