"""Names of columns: how a header is compared, which names mean the same, which are nearest to a mistyped one.

Names are matched without case, accents, spaces, `_`, `-`, `.` and units in brackets; the synonyms are those
of clinical tables (patient_id, subject, ...; egfr, serum_creatinine, ...).
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable

from medcl.study.units import split_unit

# fmt: off
RESERVED: dict[str, tuple[str, ...]] = {
    "patient": (
        "patient_id", "patients", "pat_id", "patient_no", "patient_number", "patient_name", "pid",
        "subject", "subject_id", "subj", "subj_id", "participant", "participant_id",
    ),
    "image": (
        "images", "image_file", "image_path", "img", "img_path", "path", "file", "file_name", "file_path",
        "nifti", "nifti_file", "nifti_path", "dicom", "dicom_dir", "dicom_folder", "dicom_path",
    ),
    "exam": (
        "examination", "exam_id", "exam_label", "visit", "visit_id", "timepoint", "session", "session_id",
    ),
    "sequence": ("sequence_name", "seq", "series", "series_name", "series_description"),
    "modality": ("imaging_modality", "image_modality"),
    "mask": ("mask_file", "mask_path", "segmentation", "segmentation_path", "seg", "label_map"),
    "split": ("subset", "data_split", "partition"),
    "date": ("exam_date", "date_of_exam", "scan_date", "study_date", "acquisition_date", "visit_date"),
    "days": (
        "day", "days_since_transplantation", "days_since_transplant", "days_after_transplantation",
        "days_post_transplant", "days_from_baseline", "days_since_baseline",
    ),
    "reference_date": (
        "baseline_date", "date_of_transplantation", "date_of_transplant", "transplantation_date", "transplant_date",
        "tx_date", "date_tx", "date_of_surgery", "surgery_date",
    ),
    "site": ("center", "centre", "hospital", "institution", "clinic"),
    "scanner": ("scanner_name", "scanner_model", "machine"),
}
"""The columns that medcl itself reads, with the other names under which they are known."""

VARIABLES: dict[str, tuple[str, ...]] = {
    "gfr": ("egfr", "estimated_gfr", "glomerular_filtration_rate"),
    "screat": (
        "scr", "screatinine", "creat", "creatinine", "serum_creatinine", "creatinine_serum",
        "serum_creat", "plasma_creatinine",
    ),
    "donor_age": ("age_donor", "age_of_donor", "age_donneur"),
    "age": ("recipient_age", "age_recipient", "patient_age", "age_of_patient"),
    "ejection_fraction": ("ef", "lvef", "left_ventricular_ejection_fraction"),
    "haematocrit": ("hematocrit", "hct", "hématocrite"),
    "haemoglobin": ("hemoglobin", "hgb"),
    "incompatibility": ("incompatibilities", "trans_incomp", "transplant_incompatibility"),
}
"""Clinical variables that are known under several names."""
# fmt: on


def key(name: str) -> str:
    """The form in which names are compared: no case, accents, spaces, `_`, `-`, `.` or unit in brackets."""
    bare = split_unit(name)[0]
    text = unicodedata.normalize("NFKD", bare).casefold()
    return "".join(sign for sign in text if not (unicodedata.combining(sign) or sign.isspace() or sign in "_-."))


def _table(known: dict[str, tuple[str, ...]]) -> dict[str, str]:
    return {key(name): canonical for canonical, others in known.items() for name in (canonical, *others)}


_RESERVED_KEYS = _table(RESERVED)
_VARIABLE_KEYS = _table(VARIABLES)


def reserved_name(header: str) -> str | None:
    """The reserved column that `header` means, or None."""
    return _RESERVED_KEYS.get(key(header))


def canonical_name(header: str) -> str:
    """The one name of a column: reserved, a known variable, or the header in lower case with `_`.

    `eGFR [mL/min/1.73m2]` -> gfr; `Subject ID` -> patient; `Donor BMI [kg/m2]` -> donor_bmi.
    """
    known = _RESERVED_KEYS.get(key(header)) or _VARIABLE_KEYS.get(key(header))
    return known or re.sub(r"[\s_.\-]+", "_", split_unit(header)[0].casefold()).strip("_")


def same_column(first: str, second: str) -> bool:
    """Whether two names mean one column."""
    return key(canonical_name(first)) == key(canonical_name(second))


def nearest(name: str, candidates: Iterable[str], count: int = 3) -> list[str]:
    """Up to `count` of the candidates that look most like `name`, best first; none when nothing is alike."""
    wanted = {key(name), key(canonical_name(name))} - {""}
    scored = []
    for candidate in candidates:
        forms = {key(candidate), key(canonical_name(candidate))}
        forms |= {key(other) for other in _synonyms(canonical_name(candidate))}
        score = max((_likeness(one, other) for one in wanted for other in forms if other), default=0.0)
        if score >= 0.6:
            scored.append((-score, candidate))
    return [candidate for _, candidate in sorted(scored)[:count]]


def _synonyms(canonical: str) -> tuple[str, ...]:
    return RESERVED.get(canonical, ()) + VARIABLES.get(canonical, ())


def _likeness(one: str, other: str) -> float:
    if min(len(one), len(other)) >= 3 and (one in other or other in one):
        return 0.9
    return difflib.SequenceMatcher(None, one, other).ratio()
