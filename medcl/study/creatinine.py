"""Creatinine in mg/dL, umol/L and mmol/L; from one to another only when both are stated."""

from __future__ import annotations

from medcl.study.units import bare_unit

CREATININE = "screat"
"""Canonical name of serum creatinine."""

UMOL_PER_L_PER_MG_PER_DL = 88.42
"""1 mg/dL of creatinine in umol/L, as software for transplant cohorts has it (stcsanalysis of the Swiss Transplant
Cohort Study; clinPK). From the molar mass of 113.12 g/mol (PubChem) it is 88.40; the two differ by 0.02 %."""

_IN_UMOL = {"umol/l": 1.0, "mg/dl": UMOL_PER_L_PER_MG_PER_DL, "mmol/l": 1000.0}


def creatinine_factor(stated: str, wanted: str) -> float | None:
    """By what a value in unit `stated` is multiplied to be in unit `wanted`; None when one of them is not known."""
    here, there = _IN_UMOL.get(bare_unit(stated)), _IN_UMOL.get(bare_unit(wanted))
    return here / there if here and there else None
