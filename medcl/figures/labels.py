"""How variables, units, splits and numbers are written on pages for people who read clinical figures."""

from __future__ import annotations

import re

READABLE = {
    "gfr": "GFR",
    "screat": "serum creatinine",
    "donor_age": "donor age",
    "ejection_fraction": "ejection fraction",
    "incompatibility": "transplant incompatibility",
}

SPLITS = {
    "train": "Training patients",
    "val": "Validation patients",
    "test": "Held-out test patients",
    "new": "New patients",
    "": "Split not known",
}
"""Every split a feature table can name, in the order in which legends list them."""

RAISED_CREATININE = 100.0
"""umol/L above which serum creatinine is clinically raised, the abnormal side."""


def readable(variable: str) -> str:
    """A variable's name within a sentence: `screat` is "serum creatinine", `hla_mismatch` is "hla mismatch"."""
    return READABLE.get(variable, variable.replace("_", " "))


def capital(text: str) -> str:
    """A text that begins a line: its first letter as a capital, the rest as it is."""
    return text[:1].upper() + text[1:]


def pretty_unit(unit: str) -> str:
    """A unit as it is printed: `umol/L` is "µmol/L", `mL/min/1.73m2` is "mL/min/1.73 m²"."""
    unit = re.sub(r"\bu(?=(mol|g|L|m)\b)", "µ", unit.strip())
    unit = re.sub(r"(?<=\d)(?=m\^?2\b)", " ", unit)
    return re.sub(r"m\^?([23])\b", lambda found: "m" + {"2": "²", "3": "³"}[found.group(1)], unit)


def number(value: float) -> str:
    """A number as a reader needs it: whole ones whole, others to three significant digits."""
    if value != 0 and not 1e-4 <= abs(value) < 1e7:
        return f"{value:.3g}"
    return f"{value:.0f}" if value.is_integer() or abs(value) >= 100 else f"{value:.3g}"
