"""Names what a scan found: patient, exam and sequence of every image, as cohort.csv has them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from medcl.imaging.dicom.rules import Rule, fits, rule_for, slug
from medcl.study.cells import is_missing
from medcl.study.exam_naming import days_between, label_of_days, label_of_folders
from medcl.study.exams import exam_days, natural_key
from medcl.study.pseudonyms import Pseudonyms
from medcl.study.spelling import unify
from medcl.workflows.ingest_scan import Found

PLAIN_COMPONENTS = ("magnitude", "water")
"""What an image shows without its name saying so."""

_SHOWN = 5
_PARTS = re.compile(r"[_\s]+")


@dataclass(frozen=True)
class Named:
    """A found image and its names.

    Attributes:
        found: the image.
        patient, exam, sequence: its names, "" when unknown.
        days: after the reference date, None when unknown.
        known: whether a rule gave the sequence.
        repeated: whether others of the exam would have the same sequence without a number.
        reason: why it is left out, "" when it is not.
    """

    found: Found
    patient: str
    exam: str = ""
    days: int | None = None
    sequence: str = ""
    known: bool = False
    repeated: bool = False
    reason: str = ""


@dataclass(frozen=True)
class Reference:
    """What days are counted from: an ISO date by patient; None counts from each patient's first examination."""

    dates: Mapping[str, str] | None = None
    nominal: tuple[str, ...] = ()


def name_patients(found: Sequence[Found], source: Literal["header", "folder"]) -> tuple[list[Named], list[str]]:
    """The patient of every image, "" where neither header nor folder tells, and notes.

    Args:
        found: images.
        source: the DICOM header's patient id where there is one, or always the first folder below the root.
    """
    ids = []
    for each in found:
        told = each.patient if source == "header" and not is_missing(each.patient) else _of_path(each)
        ids.append("" if is_missing(told) else told)
    unified, notes = unify(ids)
    first_folders = {each.folders[0] for each in found if each.folders and each.head is not None}
    if source == "header" and len(first_folders) > 1 and len({each.patient for each in found if each.head}) == 1:
        notes.append(
            f"All DICOM files have one patient id but lie in {len(first_folders)} folders: if each is a patient, "
            "give --patient-from folder."
        )
    return [Named(each, patient) for each, patient in zip(found, unified, strict=True)], notes


def reason_to_leave_out(each: Named, components: Sequence[str], words: Sequence[re.Pattern[str]]) -> str:
    """Why an image that could be used is left out; "" when it is not."""
    if not each.patient:
        return "no patient: neither the header nor a folder names one"
    if each.found.component not in components:
        return f"shows {each.found.component} (--components)"
    return "a localiser or the like, by its description (leave-out)" if fits(each.found.description, words) else ""


def name_exams(named: Sequence[Named], reference: Reference) -> list[Named]:
    """The exam of every image: its folder's label, or days after the reference date, or E1, E2, ... by date.

    An examination all of whose images are left out has no number.
    """
    labels = [label_of_folders(_exam_words(each)) for each in named]
    order = _order_of_exams([each for each in named if not each.reason])
    result = []
    for each, label in zip(named, labels, strict=True):
        date, start = each.found.date, (reference.dates or {}).get(each.patient)
        days = days_between(date, start) if date and start else None
        known = [day for day, _ in order.get(each.patient, ()) if day]
        if days is None and reference.dates is None and date and known and not any(labels):
            days = days_between(date, min(known))
        exam = label or (label_of_days(days, reference.nominal) if days is not None and start else "")
        if not exam and (date or each.found.study) and _exam_key(each.found) in order.get(each.patient, ()):
            exam = f"E{order[each.patient].index(_exam_key(each.found)) + 1}"
        result.append(replace(each, exam=exam, days=days))
    return result


def name_sequences(named: Sequence[Named], rules: Sequence[Rule], *, free_text: bool) -> list[Named]:
    """The sequence of every image: by rule, else the description itself; what would be equal is numbered by time.

    Args:
        named: with patient and exam; those that are left out get no sequence and come last.
        rules: the user's.
        free_text: whether words of a description may become a name; False numbers them (mr-1, mr-2, ...).
    """
    plain: dict[tuple[str, str], str] = {}
    bare = []
    for each in (each for each in named if not each.reason):
        found, words = each.found, _sequence_words(each)
        shared = found.shared or words
        rule = rule_for(words, found.phase, rules) or rule_for(shared, found.phase, rules)
        own = rule is not None and rule_for(shared, found.phase, [rule]) is None  # it knows this one phase by its words
        name = rule.name if rule else _plain_name(found, shared, plain, free_text)
        parts = [name] if found.component in PLAIN_COMPONENTS else [name, found.component]
        parts += [found.suffix] * bool(found.suffix)
        parts += [f"p{found.phase}"] * bool(found.phase and not (rule and rule.phase) and not own)
        bare.append(replace(each, sequence="-".join(parts), known=rule is not None))
    return _numbered(bare) + [each for each in named if each.reason]


def _plain_name(found: Found, words: str, plain: dict[tuple[str, str], str], free_text: bool) -> str:
    """A name where no rule fits; `plain` remembers the numbers given to descriptions."""
    kind = found.modality or "image"
    if free_text:
        return slug(words) or kind
    count = sum(key[0] == kind for key in plain)
    return plain.setdefault((kind, words), f"{kind}-{count + 1}")


def _numbered(named: Sequence[Named]) -> list[Named]:
    """Images of one exam that would have one name, numbered by time: phases that are series, and repeats."""
    groups: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for index, each in enumerate(named):
        groups[each.patient, each.exam, each.sequence].append(index)
    result = list(named)
    for indexes in groups.values():
        indexes.sort(key=lambda index: _by_time(named[index].found))
        first = named[indexes[0]].found
        for number, index in enumerate(indexes, 1):
            if len(indexes) > 1:
                found = named[index].found
                if found.seconds is None and found.study == first.study and found.moment and first.moment:
                    found = replace(found, seconds=round(found.moment - first.moment, 3))
                name = f"{named[index].sequence}-{number}"
                result[index] = replace(named[index], found=found, sequence=name, repeated=True)
    return result


def in_order(named: Sequence[Named]) -> list[Named]:
    """By patient, exam and time, as a person would list them."""

    def key(each: Named) -> tuple[object, ...]:
        days = exam_days(each.exam)
        return natural_key(each.patient), days is None, days or 0.0, each.exam, *_by_time(each.found), each.found.phase

    return sorted(named, key=key)


def _by_time(found: Found) -> tuple[str, bool, float, str]:
    return found.date, found.moment is None, found.moment or 0.0, found.order


def pseudonymize(named: Sequence[Named], pseudonyms: Pseudonyms) -> list[Named]:
    """The same with pseudonyms in place of patients; new patients are added to the key."""
    pseudonyms.add(each.patient for each in named if each.patient)
    return [replace(each, patient=pseudonyms.of[each.patient] if each.patient else "") for each in named]


def same_names(named: Sequence[Named]) -> list[str]:
    """What a person should look at: several series of one exam under the name that a rule gave."""
    many = list(dict.fromkeys(f"{each.patient} {each.exam}".strip() for each in named if each.repeated and each.known))
    if not many:
        return []
    shown = ", ".join(many[:_SHOWN]) + (", ..." if len(many) > _SHOWN else "")
    return [
        f"{len(many)} exams have several series of one name, numbered by time ({shown}): keep the right one in "
        "cohort.csv, or tell them apart with --sequences."
    ]


def _of_path(found: Found) -> str:
    if found.folders:
        return found.folders[0]
    parts = _PARTS.split(found.description) if found.head is None else []
    return parts[0] if len(parts) > 1 else ""


def _exam_words(each: Named) -> list[str]:
    """Words among which an exam's label may stand: folders, and parts of a NIfTI file's name."""
    folders = [folder for folder in each.found.folders if folder != each.patient]
    return folders + (_PARTS.split(each.found.description) if each.found.head is None else [])


def _sequence_words(each: Named) -> str:
    """A description without patient and exam, which NIfTI files have in their names."""
    if each.found.head is not None:
        return each.found.description
    parts = _PARTS.split(each.found.description)
    label = label_of_folders(_exam_words(each))
    kept = [part for part in parts if part != each.patient and label_of_folders([part]) != (label or part)]
    return " ".join(kept)


def _order_of_exams(named: Sequence[Named]) -> dict[str, list[tuple[str, str]]]:
    """The examinations of each patient in order: by date, and by UID where there is none."""
    exams: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for each in named:
        exams[each.patient].add(_exam_key(each.found))
    return {patient: sorted(keys) for patient, keys in exams.items()}


def _exam_key(found: Found) -> tuple[str, str]:
    return (found.date, "" if found.date else found.study)
