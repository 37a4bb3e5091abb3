"""By what the values of a variable are multiplied to be in another unit; never guessed."""

from __future__ import annotations

from medcl.study.creatinine import CREATININE, creatinine_factor
from medcl.study.errors import BadInput
from medcl.study.plausible import missing_unit, plausible_range
from medcl.study.units import bare_unit
from medcl.study.variable import Variable
from medcl.study.window import parse_request

PERCENT = frozenset({"%", "percent"})
FRACTION = frozenset({"fraction", "(fraction)", "1", "l/l"})


def unit_factor(name: str, stated: str, wanted: str) -> float | None:
    """The factor from one unit to another; None when that cannot be told for certain.

    Creatinine is converted between mg/dL, umol/L and mmol/L, shares between % and fractions. Spellings of one unit,
    and units that medcl reads alike (`mL/min` of a GFR is `mL/min/1.73m2`), have factor 1.

    Args:
        name: canonical name of the variable.
        stated: the unit of the values.
        wanted: the unit that they are to have.
    """
    here, there = bare_unit(stated), bare_unit(wanted)
    if here == there:
        return 1.0
    if name == CREATININE:
        return creatinine_factor(stated, wanted)
    known = plausible_range(name, stated)
    if known is not None and known is plausible_range(name, wanted):
        return 1.0
    if here in PERCENT and there in FRACTION:
        return 0.01
    return 100.0 if here in FRACTION and there in PERCENT else None


def factor_to(variable: Variable, wanted: str) -> tuple[float, str]:
    """The factor from a variable's own unit to another, and a note ("" for none) on what was taken to be alike.

    Args:
        variable: numeric; one of a window (`screat@365+-60`) is converted as the variable itself.
        wanted: unit; with "" the values stay as they are.

    Raises:
        BadInput: the units cannot be converted, or the variable is known in several units and states none.
    """
    if not wanted:
        return 1.0, ""
    column = f"column '{variable.header}'"
    name = parse_request(variable.name).name
    if not variable.unit:
        unclear = missing_unit(Variable(name, variable.header, "", variable.kind, variable.values))
        if unclear:
            raise BadInput(f"{column} is needed in {wanted}, but {unclear}.")
        return 1.0, f"{column} states no unit; its values are read as {wanted}"
    factor = unit_factor(name, variable.unit, wanted)
    if factor is None:
        raise BadInput(
            f"{column} is in '{variable.unit}', which cannot be converted to '{wanted}': correct the unit in the "
            f"column's header, or write the rule for {variable.unit}."
        )
    if bare_unit(variable.unit) == bare_unit(wanted):
        return factor, ""
    how = "read as" if factor == 1 else f"multiplied by {factor:g} to be in"
    return factor, f"{column}: values in {variable.unit} are {how} {wanted}"
