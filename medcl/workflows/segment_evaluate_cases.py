"""Which masks `medcl segment evaluate` compares, and which classes: from a study's segmentations, or two folders."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medcl.study.errors import BadInput
from medcl.study.folder import COHORT, SETTINGS, Study
from medcl.study.label_classes import LabelClass, classes_from_json, read_label_classes, unnamed_classes
from medcl.study.label_values import classes_in_words
from medcl.study.names import nearest
from medcl.study.plural import counted

if TYPE_CHECKING:
    from medcl.study.segmentations import Segmentation

ENDINGS = (".nii.gz", ".nii")
_SHOWN = 10

log = logging.getLogger("medcl")


@dataclass(frozen=True)
class Pair:
    """A truth and a prediction to be compared.

    Attributes:
        case: unique name.
        patient, exam, sequence, split: "" where not known; a case of an unknown patient is a patient of its own.
        image: behind the outlines of the page; None without one.
        truth, prediction: label maps.
    """

    case: str
    patient: str
    exam: str
    sequence: str
    split: str
    image: Path | None
    truth: Path
    prediction: Path


@dataclass(frozen=True)
class Compared:
    """What is compared.

    Attributes:
        name: of the segmentations, or of the folder of predictions.
        folder: of the segmentations; None of folders that the user keeps.
        pairs: at least one.
        classes: that are declared; [] where the truth's own values are taken.
        declared_in: where, in words.
        card: of the segmentations; {} of folders.
        notes: what a reader of the results must know.
    """

    name: str
    folder: Path | None
    pairs: list[Pair]
    classes: list[LabelClass]
    declared_in: str
    card: dict[str, Any]
    notes: list[str]


def from_segmentations(study: Study, name: str | None, split: str) -> Compared:
    """The masks of `segmentations/NAME` whose images have a truth.

    Args:
        study: the study.
        name: a name in segmentations/ or a folder; None takes the newest.
        split: train, val, test, new or all.

    Raises:
        BadInput: there are none, or none of this split, or masks are missing.
    """
    from medcl.study.segmentations import newest_segmentations, read_segmentations

    folder = newest_segmentations(study) if name is None else _folder(study, name)
    if name is None:
        log.info(f"Segmentations: {folder.name}, the newest; choose others with --segmentations.")
    rows, card = read_segmentations(folder)
    wanted = [row for row in rows if split in ("all", row.split)]
    if not wanted:
        there = ", ".join(f"{split} {count}" for split, count in Counter(row.split for row in rows).items())
        raise BadInput(
            f"--split {split}: {folder} has no image of it; it has {there or 'none at all'}. Choose another split, or "
            "--split all, or segment these images first with `medcl segment apply`."
        )
    pairs = [_pair(row) for row in wanted if row.truth is not None]
    if not pairs:
        raise BadInput(
            f"{folder}: none of the {counted(len(wanted), 'image')} of --split {split} has a truth: give cohort.csv a "
            "column mask with their label maps and run `medcl segment apply` again, or compare two folders with "
            "--truth and --prediction."
        )
    without = len(wanted) - len(pairs)
    notes = [f"{counted(without, 'image')} without a truth left out."] if without else []
    notes += [*_not_tests(pairs), *_strangers(pairs)]
    _refuse_missing(pairs)
    classes = classes_from_json(card.get("classes") or [])
    where = f"run {card['run']}" if card.get("run") else "segmentations.json"
    if not classes:
        classes, where = read_label_classes(study), f"{study.settings_file.name} [labels]"
    return Compared(folder.name, folder, pairs, classes, where if classes else "", card, notes)


def from_folders(study: Study | None, truth: Path, prediction: Path, images: Path | None) -> Compared:
    """The masks of two folders with equal names.

    Where the predictions are what `medcl segment apply` wrote, its table tells the side of the run's split.

    Args:
        study: whose cohort tells patients and images by the files' names; None without one.
        truth, prediction: the folders.
        images: of the images with the same names.

    Raises:
        BadInput: a folder is missing, or holds a mask that the other does not, or the table is damaged.
    """
    found = {flag: _files(folder, flag) for flag, folder in (("--truth", truth), ("--prediction", prediction))}
    behind = _files(images, "--images") if images else {}
    problems = []
    for flag, other in (("--truth", "--prediction"), ("--prediction", "--truth")):
        alone = sorted(set(found[flag]) - set(found[other]))
        if alone:
            problems.append(
                f"{flag}: {counted(len(alone), 'mask')} without one of the same name in {other}: {_listed(alone)}. "
                "Give both folders the same names."
            )
    if problems:
        raise BadInput(problems)
    known = _cohort_rows(study)
    rows, card = _applied(prediction)
    pairs = []
    for case in sorted(found["--truth"]):
        applied = rows.get(case)
        row = known.get(case) or (vars(applied) if applied else {})
        image = behind.get(case) or (Path(row["image"]) if row and Path(row["image"]).exists() else None)
        names = {column: str(row.get(column) or "") for column in ("patient", "exam", "sequence")}
        pairs.append(Pair(case, **names, split=applied.split if applied else "", image=image,
                          truth=found["--truth"][case], prediction=found["--prediction"][case]))  # fmt: skip
    classes = read_label_classes(study) if study else []
    return Compared(
        prediction.resolve().name,
        None,
        pairs,
        classes,
        f"{SETTINGS} [labels]" if classes else "",
        card,
        [*_not_tests(pairs), *_strangers(pairs)],
    )


def study_or_none(path: Path | None) -> Study | None:
    """The study that was named or that one stands in; None outside of any.

    Raises:
        BadInput: the named folder is no study, or the current one lies within a study.
    """
    here = Path.cwd()
    if path is None and not any((folder / file).is_file() for folder in (here, *here.parents)
                                for file in (COHORT, SETTINGS)):  # fmt: skip
        return None
    return Study.find(path)


def scored_classes(
    words: Sequence[str], compared: Compared, truth_values: Iterable[int]
) -> tuple[list[LabelClass], list[LabelClass]]:
    """All classes that may occur in the masks, and those of them that are scored.

    Args:
        words: of --classes: names or values, and, where nothing is declared, VALUE=NAME.
        compared: what is compared.
        truth_values: values above 0 in any truth, which are the classes where none are declared.

    Raises:
        BadInput: a word is no class.
    """
    from medcl.imaging.suspicions import MOST_LABELS

    named = dict(_value_and_name(word) for word in words if "=" in word)
    known = compared.classes
    if known and named:
        raise BadInput(
            f"--classes: names are declared already, in {compared.declared_in}: give {classes_in_words(known)} by name "
            "or value."
        )
    if not known:
        values = {*truth_values, *named, *(int(word) for word in words if word.isdecimal() and int(word) > 0)}
        known = [replace(each, name=named.get(each.value, each.name)) for each in unnamed_classes(values)]
    if not words and not compared.classes and len(known) > MOST_LABELS:
        raise BadInput(
            f"The truths hold {len(known):,} different labels, which looks like images instead of masks: give the "
            "folder of masks, or name the classes with --classes VALUE=NAME."
        )
    if not known:
        raise BadInput("No truth holds a label above 0: there is nothing to score. Are these the right masks?")
    keys = {key: each for each in known for key in (str(each.value), each.name.casefold())}
    wanted = [(word, word.split("=")[0].strip().casefold()) for word in words]
    unknown = [word for word, key in wanted if key not in keys]
    if unknown:
        near = nearest(unknown[0], [each.name for each in known])
        hint = f" Nearest: {', '.join(near)}." if near else ""
        raise BadInput(f"--classes {', '.join(unknown)}: no such class; there are {classes_in_words(known)}.{hint}")
    chosen = {keys[key].value for _, key in wanted}
    return known, [each for each in known if not words or each.value in chosen]


def _folder(study: Study, name: str) -> Path:
    for folder in (study.segmentations / name, Path(name)):
        if folder.is_dir():
            return folder
    names = sorted(folder.name for folder in study.segmentations.glob("*") if folder.is_dir())
    there = f"there are {', '.join(nearest(name, names) or names[-5:])}" if names else "there are none"
    raise BadInput(
        f"--segmentations {name}: no such folder in {study.segmentations}; {there}. `medcl segment apply` writes them."
    )


def _pair(row: Segmentation) -> Pair:
    assert row.truth is not None
    return Pair(row.case, row.patient, row.exam, row.sequence, row.split, row.image, row.truth, row.prediction)


def _not_tests(pairs: Sequence[Pair]) -> list[str]:
    """What is to be said of cases that the network knows."""
    notes = []
    circular = sum(pair.split == "train" for pair in pairs)
    if circular:
        notes.append(f"{counted(circular, 'case')} of training patients, whom the network has seen: no test of it.")
    chosen = sum(pair.split == "val" for pair in pairs)
    if chosen:
        notes.append(f"{counted(chosen, 'case')} of validation patients, by whom the network was selected.")
    return notes


def _strangers(pairs: Sequence[Pair]) -> list[str]:
    """What is to be said of cases whose patient nobody knows."""
    count = sum(not pair.patient for pair in pairs)
    if not count:
        return []
    each = "it counts as a patient of its own" if count == 1 else "each counts as a patient of its own"
    return [
        f"{counted(count, 'case')} of unknown patients (not in the cohort): {each}; where several are of one patient, "
        "intervals are too narrow."
    ]


def _refuse_missing(pairs: Sequence[Pair]) -> None:
    missing = [file for pair in pairs for file in (pair.truth, pair.prediction) if not file.is_file()]
    if missing:
        raise BadInput(
            f"{counted(len(missing), 'mask')} missing: {_listed([str(file) for file in missing])}. Put them back, or "
            "run `medcl segment apply` again."
        )


def _files(folder: Path, flag: str) -> dict[str, Path]:
    """NIfTI files of a folder by their name without ending."""
    if not folder.is_dir():
        raise BadInput(
            f"{flag} {folder}: {'is a file, not' if folder.exists() else 'no such folder,'} a folder of masks."
        )
    found: dict[str, Path] = {}
    for file in sorted(folder.iterdir()):
        ending = next((ending for ending in ENDINGS if file.name.endswith(ending)), "")
        if not ending or file.name.startswith("."):
            continue
        case = file.name.removesuffix(ending)
        if case in found:
            raise BadInput(f"{flag} {folder}: holds {found[case].name} and {file.name}: leave one of them.")
        found[case] = file
    if not found:
        raise BadInput(f"{flag} {folder}: holds no .nii or .nii.gz file.")
    return found


def _applied(folder: Path) -> tuple[dict[str, Segmentation], dict[str, Any]]:
    """What `medcl segment apply` noted of a folder's masks, by case, and its card; nothing of other folders."""
    from medcl.study.segmentations import CARD, read_segmentations

    if not (folder / CARD).is_file():
        return {}, {}
    rows, card = read_segmentations(folder)
    return {row.case: row for row in rows if row.prediction.parent == folder.absolute()}, card


def _cohort_rows(study: Study | None) -> dict[str, dict[Any, Any]]:
    if study is None or not study.cohort_file.is_file():
        return {}
    from medcl.study.cohort import read_cohort

    cohort = read_cohort(study.cohort_file, need_images=False)
    return {str(row["case"]): row for row in cohort.frame.to_dict("records")}


def _value_and_name(word: str) -> tuple[int, str]:
    value, name = (part.strip() for part in word.split("=", 1))
    if not value.isdecimal() or int(value) < 1 or not name:
        raise BadInput(f"--classes {word}: expected VALUE=NAME, such as 3=liver.")
    return int(value), name


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
