"""Names of columns: what means the same, and what is nearest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcl.study.names import RESERVED, VARIABLES, canonical_name, key, nearest, reserved_name, same_column


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("eGFR [mL/min/1.73m2]", "gfr"),
        ("GFR", "gfr"),
        ("e_GFR (mL/min)", "gfr"),
        ("Serum Creatinine [umol/L]", "screat"),
        ("S-Creat", "screat"),
        ("Créatinine", "screat"),
        ("SCR", "screat"),
        ("Age Donor", "donor_age"),
        ("donor.age [years]", "donor_age"),
        ("trans_incomp", "incompatibility"),
        ("Subject ID", "patient"),
        ("participant-id", "patient"),
        ("IMAGE_PATH", "image"),
        ("Centre", "site"),
        ("Donor BMI [kg/m2]", "donor_bmi"),
        ("creatinine (donor)", "creatinine_(donor)"),
        ("Hb", "hb"),
    ],
)
def test_canonical_names(header: str, name: str) -> None:
    assert canonical_name(header) == name


@pytest.mark.parametrize("canonical", [*RESERVED, *VARIABLES])
def test_every_synonym_means_its_name_and_no_other(canonical: str) -> None:
    for name in (canonical, *RESERVED.get(canonical, ()), *VARIABLES.get(canonical, ())):
        assert canonical_name(name) == canonical
        assert canonical_name(f"{name.upper().replace('_', ' ')} [unit]") == canonical
        assert (reserved_name(name) == canonical) == (canonical in RESERVED)


def test_no_name_stands_in_two_lists() -> None:
    keys = [key(name) for known in (RESERVED, VARIABLES) for each in known for name in (each, *known[each])]
    assert len(keys) == len(set(keys))


@given(st.text(alphabet="abcXYZ09", min_size=1, max_size=12), st.text(alphabet=" _-.", max_size=4))
def test_case_and_separators_do_not_matter(word: str, separators: str) -> None:
    middle = len(word) // 2
    written = f"{separators}{word[:middle].upper()}{separators}{word[middle:].lower()}{separators} [mg/L]"
    assert key(written) == key(word)
    assert same_column(written, word)


@given(st.text(max_size=30))
def test_any_header_has_a_name(header: str) -> None:
    assert key(canonical_name(header)) == key(canonical_name(canonical_name(header)))


def test_nearest_names() -> None:
    headers = ["eGFR [mL/min]", "screat", "donor_age", "sex", "haemoglobin"]
    assert nearest("gfrr", headers) == ["eGFR [mL/min]"]
    assert nearest("creatinin", headers)[0] == "screat"
    assert nearest("age", headers) == ["donor_age"]
    assert nearest("hemoglobin", headers) == ["haemoglobin"]
    assert nearest("zzzz", headers) == []
    assert nearest("patient", ["patinet", "image"]) == ["patinet"]
