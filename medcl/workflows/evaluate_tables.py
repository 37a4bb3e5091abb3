"""The tables of features that `medcl evaluate` scores, joined with the cohort, with exams as rows."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medcl.evaluation.exam_rows import exam_rows
from medcl.evaluation.feature_table import FeatureTable, card_file, read_feature_table
from medcl.evaluation.fits import HELD_OUT
from medcl.study.errors import BadInput
from medcl.study.exams import exam_order
from medcl.study.files import read_json
from medcl.study.names import nearest
from medcl.study.plural import counted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medcl.study.cohort import Cohort
    from medcl.study.folder import Study
    from medcl.workflows.evaluate import EvaluateOptions
    from medcl.workflows.evaluate_target import Exam

log = logging.getLogger("medcl")

BETWEEN = "\t"
"""Between the patient and the exam of a case."""


@dataclass(frozen=True, eq=False)
class FeatureSet:
    """One table of features.

    Attributes:
        name: of the file, without ending.
        images: its rows that are of the cohort and were asked for.
        cases: (N,) of the cohort, of these rows.
        exams: the same with exams as rows.
        said: what a reader should know, in sentences.
    """

    name: str
    images: FeatureTable
    cases: tuple[str, ...]
    exams: FeatureTable
    said: tuple[str, ...]

    @property
    def keys(self) -> list[Exam]:
        """(E,) patient and exam."""
        return list(zip(self.exams.patients.tolist(), self.exams.exams.tolist(), strict=True))

    @property
    def names(self) -> NDArray[Any]:
        """(E,) patient and exam as one word."""
        return np.array([f"{patient}{BETWEEN}{exam}" for patient, exam in self.keys], dtype=np.str_)

    @property
    def encoders(self) -> NDArray[Any]:
        """(E,) whose features they are: the run's, with its fold where there are several."""
        run = str(self.exams.card.get("run") or self.name)
        folds = self.exams.folds.tolist()
        return np.array([f"{run}, fold {fold}" if len(set(folds)) > 1 else run for fold in folds], dtype=np.str_)

    @property
    def trained_on(self) -> str:
        """The variable by which the encoder was trained; "" where none is known."""
        return str(self.images.card.get("variable") or "")

    @property
    def seen(self) -> bool:
        """Whether there are rows of patients that the encoder may have seen."""
        return bool((~np.isin(self.exams.splits, HELD_OUT)).any())

    @cached_property
    def rows(self) -> tuple[tuple[Any, ...], ...]:
        """Folds, patients, exams and splits: sets in which they are equal have the same baselines."""
        table = self.exams
        columns = (table.folds, table.patients, table.exams, table.splits)
        return tuple(zip(*(column.tolist() for column in columns), strict=True))


def read_feature_sets(study: Study, cohort: Cohort, options: EvaluateOptions) -> list[FeatureSet]:
    """Read the tables that the options name, or the newest.

    Raises:
        BadInput: there are none, one is of another study, or no row is left.
    """
    files = _files(study, options.features)
    stems = [file.stem for file in files]
    if twice := sorted({stem for stem in stems if stems.count(stem) > 1}):
        raise BadInput(f"--features: several tables are called {', '.join(twice)}: rename one of the files.")
    return [_joined(study, cohort, file, options) for file in files]


def _files(study: Study, names: Sequence[str]) -> list[Path]:
    tables = sorted(study.features.glob("*.csv"), key=lambda path: (path.stat().st_mtime_ns, path.name))
    if names:
        return list(dict.fromkeys(_named(study, name, [path.stem for path in tables]) for name in names))
    if not tables:
        raise BadInput(f"There are no features in {study.features}: run `medcl embed` first.")
    chosen = ([path for path in tables if _layer(path) != "projection"] or tables)[-1]
    others = [path.stem for path in tables if path != chosen][-5:]
    told = f" (others: {', '.join(others)}; choose with --features)" if others else ""
    log.info(f"Features: {chosen.name}, the newest{told}.")
    return [chosen]


def _named(study: Study, name: str, known: Sequence[str]) -> Path:
    for path in (study.features / f"{name}.csv", Path(name)):
        if path.is_file():
            _refuse_foreign(study, path)
            return path
    if (study.features / name).is_dir():
        raise BadInput(
            f"--features {name}: {study.features / name} has one file per exam, for other programs. Run `medcl embed` "
            "without --one-file-per to have a table that can be scored."
        )
    close = nearest(name, known) or list(known)[-5:]
    there = f"there are {', '.join(close)}" if close else "there are none; run `medcl embed` first"
    raise BadInput(f"--features {name}: no such table in {study.features} and no such file; {there}.")


def _refuse_foreign(study: Study, path: Path) -> None:
    """Patient P001 of another study is another person."""
    from medcl.study.folder import Study as Folder

    folder = path.resolve().parent
    other = folder.parent
    if folder.name != study.features.name or other == study.root.resolve():
        return
    if Folder(other).cohort_file.is_file() or Folder(other).settings_file.is_file():
        raise BadInput(
            f"--features {path}: a table of the study {other}, whose patients are others than those of {study.root}. "
            "Embed this study's images with the run of the other one: `medcl embed --run "
            f"{other / 'runs'}/NAME`."
        )


def _layer(table: Path) -> str:
    card = card_file(table)
    stored = read_json(card) if card.is_file() else {}
    return str(stored.get("layer", "")) if isinstance(stored, dict) else ""


def _joined(study: Study, cohort: Cohort, file: Path, options: EvaluateOptions) -> FeatureSet:
    table = read_feature_table(file)
    columns = cohort.frame[["patient", "exam", "sequence", "case"]].astype(str)
    case_of = {tuple(row[:3]): row[3] for row in columns.itertuples(index=False, name=None)}
    whose = zip(table.patients.tolist(), table.exams.tolist(), table.sequences.tolist(), strict=True)
    cases = [case_of.get(row) for row in whose]
    known = np.array([case is not None for case in cases])
    if not known.any():
        raise BadInput(
            f"None of the {counted(len(cases), 'row')} of {file} is in {cohort.file}: patient, exam and sequence must "
            "be the same in both. Are they of the same study?"
        )
    said = list(table.notes)
    if lost := int((~known).sum()):
        said.append(f"{counted(lost, 'row')} of {file.name} not in {cohort.file.name}: left out.")
    keep = known & _asked(table, options)
    if not keep.any():
        raise BadInput(f"{file}: no row is of both the exams and the sequences asked for: choose fewer filters.")
    images = table.only(keep)
    exams = exam_rows(images, options.sequences)
    said += [note for note in exams.notes if note not in said]
    chosen = tuple(str(case) for case, kept in zip(cases, keep.tolist(), strict=True) if kept)
    found = FeatureSet(file.stem, images, chosen, exams, ())
    return FeatureSet(
        file.stem, images, chosen, exams, tuple(f"{file.stem}: {word}" for word in said + _told(found, options))
    )


def _told(found: FeatureSet, options: EvaluateOptions) -> list[str]:
    splits = set(found.exams.splits.tolist())
    said = []
    if splits == {"new"}:
        said.append(
            "the encoder is of another study, or knows none of these patients: all of them are held out. `medcl embed` "
            "has compared size and intensity recipe; the probes are fitted inside these patients alone."
        )
    if "val" in splits and not options.allow_seen:
        rows = int((found.exams.splits == "val").sum())
        said.append(
            f"{counted(rows, 'row')} of validation patients, who chose the epoch, are neither fitted nor scored."
        )
    if found.images.card.get("layer") == "projection":
        said.append("features behind the projection head, which the loss saw; those of the encoder are the usual ones.")
    return said


def _asked(table: FeatureTable, options: EvaluateOptions) -> NDArray[np.bool_]:
    keep = np.ones(len(table), dtype=np.bool_)
    problems = []
    for option, column in (("exam", table.exams.tolist()), ("sequence", table.sequences.tolist())):
        words: list[str] = getattr(options, option)
        wanted, there = {word.casefold() for word in words}, {name.casefold() for name in column}
        if unknown := [word for word in words if word.casefold() not in there]:
            known = ", ".join(exam_order(set(column) - {""})) or "none"
            problems.append(f"--{option} {', '.join(unknown)}: not in {table.file.name}, which has {known}.")
        if wanted:
            keep &= np.array([name.casefold() in wanted for name in column])
    if problems:
        raise BadInput(problems)
    return keep
