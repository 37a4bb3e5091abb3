"""Which patient of another table is which patient of cohort.csv, when the two write them differently.

`P001`, `p-001` and `P 1` are one patient: letters compare without case, marks between a letter and a digit do not
count, nor do zeros in front of a number. A mark between two digits counts (`1-23` is not `12-3`). Plain numbers match
ids with a prefix (`001` is `P001`) only when all ids of the one table are numbers, all of the other have that one
prefix, and the zeros agree. An id that could be two patients is matched to neither, and two ids are never read as one
patient.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

_TOKEN = re.compile(r"[0-9]+|[\s_\-./]+|[^0-9\s_\-./]+")
_MARK = re.compile(r"[\s_\-./]+")
_PREFIXED = re.compile(r"([^0-9]+)([0-9]+)")


@dataclass(frozen=True)
class IdMatch:
    """How the ids of a table were matched.

    Attributes:
        matched: id of the table -> patient of the cohort.
        respelled: those of `matched` that are written differently.
        unknown: ids of the table that no patient of the cohort has.
        ambiguous: ids of the table that may be several patients, with these; not matched.
        twice: patients of the cohort that several ids of the table would be; not matched.
        absent: patients of the cohort that the table does not have.
    """

    matched: dict[str, str]
    respelled: dict[str, str] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    ambiguous: dict[str, list[str]] = field(default_factory=dict)
    twice: dict[str, list[str]] = field(default_factory=dict)
    absent: list[str] = field(default_factory=list)


def id_key(text: str, *, zeros: bool = True) -> str:
    """The form in which ids compare.

    Args:
        text: an id.
        zeros: keep zeros in front of numbers.
    """
    tokens = _TOKEN.findall(unicodedata.normalize("NFKC", text).casefold().strip())
    parts: list[str] = []
    for place, token in enumerate(tokens):
        if not _MARK.fullmatch(token):
            parts.append(token if zeros or not token.isdigit() else token.lstrip("0") or "0")
        elif 0 < place < len(tokens) - 1 and tokens[place - 1][-1].isdigit() == tokens[place + 1][0].isdigit():
            parts.append("-")
    return "".join(parts)


def match_ids(cohort: Iterable[str], table: Iterable[str]) -> IdMatch:
    """Match the distinct ids of a table to the patients of the cohort."""
    patients, ids = list(dict.fromkeys(cohort)), list(dict.fromkeys(table))
    keys: list[Callable[[str], str]] = [str, id_key, lambda text: id_key(text, zeros=False)]
    levels = [(key, _index(patients, key)) for key in keys]
    prefix = _prefix(patients, ids)
    matched: dict[str, str] = {}
    ambiguous: dict[str, list[str]] = {}
    unknown: list[str] = []
    for each in ids:
        found = next((index[key(each)] for key, index in levels if key(each) in index), None)
        if found is None and prefix is not None:
            found = levels[1][1].get(prefix(each))
        if found is None:
            unknown.append(each)
        elif len(found) > 1:
            ambiguous[each] = found
        else:
            matched[each] = found[0]
    owners: dict[str, list[str]] = {}
    for each, patient in matched.items():
        owners.setdefault(patient, []).append(each)
    twice = {patient: names for patient, names in owners.items() if len(names) > 1}
    matched = {each: patient for each, patient in matched.items() if patient not in twice}
    return IdMatch(
        matched,
        {each: patient for each, patient in matched.items() if each != patient},
        unknown,
        ambiguous,
        twice,
        [patient for patient in patients if patient not in owners],
    )


def _index(patients: Iterable[str], key: Callable[[str], str]) -> dict[str, list[str]]:
    index: dict[str, list[str]] = {}
    for patient in patients:
        index.setdefault(key(patient), []).append(patient)
    return index


def _prefix(patients: list[str], ids: list[str]) -> Callable[[str], str] | None:
    """How an id of the table is written with the cohort's one prefix, or without its own; None when it has none."""
    ours, theirs = _parts(patients), _parts(ids)
    if ours and len({prefix for prefix, _ in ours}) == 1 and all(each.isdigit() for each in map(id_key, ids)):
        return lambda text: ours[0][0] + id_key(text)
    if theirs and len({prefix for prefix, _ in theirs}) == 1 and all(each.isdigit() for each in map(id_key, patients)):
        return lambda text: id_key(text).removeprefix(theirs[0][0])
    return None


def _parts(ids: Iterable[str]) -> list[tuple[str, str]]:
    """Prefix and number of each id; [] when one of them is not of that form."""
    found = [_PREFIXED.fullmatch(id_key(each)) for each in ids]
    parts = [(each[1], each[2]) for each in found if each]
    return parts if len(parts) == len(found) else []
