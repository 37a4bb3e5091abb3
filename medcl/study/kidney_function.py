"""eGFR of adults from creatinine, age and sex: the CKD-EPI 2021 creatinine equation, which has no term for race.

Inker LA, Eneanya ND, Coresh J, et al. New creatinine- and cystatin C-based equations to estimate GFR without race.
N Engl J Med 2021; 385: 1737-1749. doi:10.1056/NEJMoa2102953.

    eGFR = 142 min(Scr/k, 1)^a max(Scr/k, 1)^-1.200 0.9938^age (1.012 of women)

with Scr in mg/dL, k = 0.7 and a = -0.241 of women, k = 0.9 and a = -0.302 of men.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from medcl.study.creatinine import CREATININE, creatinine_factor
from medcl.study.errors import BadInput
from medcl.study.names import key
from medcl.study.plausible import missing_unit, plausible_range
from medcl.study.plural import counted
from medcl.study.readings import Readings
from medcl.study.spelling import folded
from medcl.study.variable import Variable

if TYPE_CHECKING:
    from medcl.study.cohort import Cohort

NAME = "egfr_ckdepi2021"
UNIT = "mL/min/1.73m2"

SCALE, AGE_BASE, FEMALE_FACTOR, MAX_EXPONENT = 142.0, 0.9938, 1.012, -1.200
KAPPA = {"female": 0.7, "male": 0.9}
ALPHA = {"female": -0.241, "male": -0.302}
ADULT_YEARS = 18.0
"""The equation was made for adults; younger patients get no value."""

SEX_NAMES = ("sex", "gender", "sexe", "geschlecht")
FEMALE = frozenset({"f", "female", "w", "woman", "femme", "féminin", "weiblich", "frau"})
MALE = frozenset({"m", "male", "man", "h", "homme", "masculin", "männlich", "mann"})

Floats = npt.NDArray[np.float64]


def ckd_epi_2021(creatinine: npt.ArrayLike, age: npt.ArrayLike, female: npt.ArrayLike) -> Floats:
    """eGFR in mL/min/1.73 m2.

    Args:
        creatinine: serum creatinine in mg/dL, IDMS-traceable.
        age: in years.
        female: whether the patient is a woman.
    """
    women = np.asarray(female, dtype=bool)
    kappa = np.where(women, KAPPA["female"], KAPPA["male"])
    alpha = np.where(women, ALPHA["female"], ALPHA["male"])
    ratio = np.asarray(creatinine, dtype=np.float64) / kappa
    result = SCALE * np.minimum(ratio, 1) ** alpha * np.maximum(ratio, 1) ** MAX_EXPONENT
    result = result * AGE_BASE ** np.asarray(age, dtype=np.float64) * np.where(women, FEMALE_FACTOR, 1.0)
    return np.asarray(result, dtype=np.float64)


def is_derived(name: str) -> bool:
    """Whether a name asks for the eGFR by CKD-EPI 2021: egfr_ckdepi2021, eGFR CKD-EPI 2021."""
    return key(name) == key(NAME)


def derived_variable(cohort: Cohort) -> Variable:
    """The eGFR of every image from its own creatinine, age and sex.

    Raises:
        BadInput: a column is missing, or states no unit where one is needed; all are told.
    """
    creatinine, age, sex = _columns(cohort, readings=None)
    assert creatinine is not None
    factor = creatinine_factor(creatinine.unit, "mg/dL")
    assert factor is not None
    values, young = _egfr(creatinine.values * factor, age.values, sex)
    values = values.rename(NAME)
    return Variable(NAME, NAME, UNIT, "numeric", values, creatinine.censored & frozenset(values.dropna().index), young)


def derived_readings(cohort: Cohort, readings: list[Readings]) -> list[Readings]:
    """The eGFR of every reading of creatinine; the age is the patient's mean over the exams.

    Raises:
        BadInput: as `derived_variable`.
    """
    _, age, sex = _columns(cohort, readings=readings)
    patients = cohort.frame.set_index("case")["patient"]
    ages = age.values.groupby(patients).mean()
    sexes = sex.groupby(patients).first()
    derived = []
    for each in readings:
        factor = creatinine_factor(each.unit, "mg/dL")
        assert factor is not None
        people = each.frame["patient"]
        values, _ = _egfr(each.frame["value"].astype(np.float64) * factor, people.map(ages), people.map(sexes))
        frame = each.frame.assign(value=values)[values.notna().to_numpy()]
        derived.append(replace(each, name=NAME, unit=UNIT, frame=frame))
    return derived


def _columns(cohort: Cohort, readings: list[Readings] | None) -> tuple[Variable | None, Variable, pd.Series]:
    """Creatinine, age and sex ("female", "male" or None by case), checked together."""
    problems = []
    creatinine = cohort.variables.get(CREATININE)
    if readings is None:
        problems += _creatinine_problems(creatinine)
    else:
        problems += [problem for each in readings for problem in _unit_problems(each.header, each.unit, "")]
        problems += [] if readings else ["a column screat (serum creatinine) is missing"]
    age = cohort.variables.get("age")
    if age is None:
        problems.append("a column age (of the patient, in years) is missing")
    elif age.kind != "numeric" or (age.unit and plausible_range("age", age.unit) is None):
        problems.append(f"column '{age.header}' must hold numbers of years, not {age.unit or 'words'}")
    found = [cohort.variables[name] for name in SEX_NAMES if name in cohort.variables]
    sex = None
    if len(found) != 1:
        listed = " and ".join(f"'{each.header}'" for each in found)
        problems.append(f"there are {listed}: keep one, named sex" if found else "a column sex (F or M) is missing")
    else:
        sex, unknown = _sexes(found[0])
        problems += unknown
    if problems or age is None or sex is None:
        raise BadInput(f"{NAME} needs creatinine with its unit, age and sex: {'; '.join(problems)}.")
    return creatinine, age, sex


def _creatinine_problems(creatinine: Variable | None) -> list[str]:
    if creatinine is None:
        return ["a column screat (serum creatinine) is missing, or has readings only, as in egfr_ckdepi2021@365+-60"]
    if creatinine.kind != "numeric":
        return [f"column '{creatinine.header}' holds words"]
    return _unit_problems(creatinine.header, creatinine.unit, missing_unit(creatinine))


def _unit_problems(header: str, unit: str, sentence: str) -> list[str]:
    if creatinine_factor(unit, "mg/dL") is not None:
        return []
    if unit:
        return [f"column '{header}' has the unit '{unit}', expected mg/dL or umol/L"]
    return [f"column '{header}': {sentence or 'no unit is stated; write mg/dL or umol/L in brackets in the header'}"]


def _sexes(variable: Variable) -> tuple[pd.Series | None, list[str]]:
    words = {word: folded(str(word)) for word in variable.present.unique()}
    unknown = [f"'{word}'" for word, plain in words.items() if plain not in FEMALE | MALE]
    if unknown:
        listed = ", ".join(unknown[:5])
        return None, [f"column '{variable.header}' holds {listed}: write F and M (numbers do not tell which is which)"]
    named = {word: "female" if plain in FEMALE else "male" for word, plain in words.items()}
    return variable.values.map(named, na_action="ignore").astype(object), []


def _egfr(creatinine: pd.Series, age: pd.Series, sex: pd.Series) -> tuple[pd.Series, tuple[str, ...]]:
    """Values (NaN where one of the three is missing or the patient is no adult), and a note on those."""
    years = age.to_numpy(dtype=np.float64)
    known = creatinine.notna().to_numpy() & ~np.isnan(years) & sex.notna().to_numpy() & (creatinine > 0).to_numpy()
    usable = known & (years >= ADULT_YEARS)
    values = np.full(len(creatinine), np.nan)
    values[usable] = ckd_epi_2021(creatinine.to_numpy(np.float64)[usable], years[usable], (sex == "female")[usable])
    young = int((known & ~usable).sum())
    told = counted(young, "value")
    note = (f"{told} of patients under {ADULT_YEARS:g} years left out: the equation is of adults",)
    return pd.Series(values, index=creatinine.index), note if young else ()
