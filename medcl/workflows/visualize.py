"""`medcl visualize`: a page of maps of the features, coloured by a clinical variable."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import field_validator, model_validator

from medcl.figures.colours import COLOUR_SCALES
from medcl.study.errors import BadInput
from medcl.study.exams import exam_order
from medcl.study.files import write_text
from medcl.study.folder import Study
from medcl.study.names import canonical_name, nearest, reserved_name
from medcl.study.plural import counted
from medcl.workflows.clinical_options import ClinicalOptions, read_options_cohort
from medcl.workflows.options import flag, split_words

if TYPE_CHECKING:
    from medcl.evaluation.feature_table import FeatureTable
    from medcl.figures.colouring import Colouring
    from medcl.figures.points import Points
    from medcl.study.cohort import Cohort

METHODS = ("pca", "umap", "tsne")
MOST_HOVER_VARIABLES = 8

log = logging.getLogger("medcl")


class VisualizeOptions(ClinicalOptions):
    """Draw the features as one offline page, coloured by a clinical variable.

    Training patients are told apart from held-out ones. Research use only.
    """

    section: ClassVar[str] = "visualize"

    color: str | None = flag(
        None,
        "Variable shown as colour: gfr, screat@365+-60, egfr_ckdepi2021 (or exam, sequence, site, ...); the run's own "
        "unless told.",
        metavar="NAME",
    )
    method: list[str] = flag(["pca", "umap"], "Maps, side by side: pca, umap, tsne.", metavar="A,B,...")
    features: str | None = flag(
        None, "Table of features: a name in features/ or a CSV file; the newest unless told.", metavar="NAME"
    )
    fold: int | None = flag(
        None, "Fold whose encoder is shown, of a run with folds; 1 unless told. Encoders are never mixed.", ge=1
    )
    exam: list[str] = flag([], "Show these exams only.")
    sequence: list[str] = flag([], "Show these sequences only.")
    rows: Literal["image", "exam"] = flag(
        "image", "One point for each image, or for each exam of a patient (mean over its sequences)."
    )
    scale: str = flag("viridis", f"Colour scale of numbers: {', '.join(COLOUR_SCALES)}.", metavar="NAME")
    seed: int = flag(0, "Seed of the maps.", ge=0)
    no_ids: bool = flag(False, "Leave the patients' names out of the page.")
    name: str | None = flag(None, "Name of the page; FEATURES-COLOR unless told.", metavar="NAME")
    overwrite: bool = flag(False, "Replace a page of the same name.")

    @field_validator("method", "exam", "sequence", mode="before")
    @classmethod
    def _words(cls, value: Any) -> Any:
        return split_words(value)

    @field_validator("method")
    @classmethod
    def _known_maps(cls, value: list[str]) -> list[str]:
        if not value or set(value) - set(METHODS):
            raise ValueError(f"the maps are {', '.join(METHODS)}")
        return list(dict.fromkeys(value))

    @model_validator(mode="after")
    def _known_names(self) -> VisualizeOptions:
        if self.scale not in COLOUR_SCALES:
            raise ValueError(f"--scale is '{self.scale}'; known are {', '.join(COLOUR_SCALES)}.")
        if self.name is not None and (not self.name or Path(self.name).name != self.name or self.name.startswith(".")):
            raise ValueError(f"--name {self.name}: give a plain file name without folders; .html is added.")
        return self


@dataclass(frozen=True)
class Visualized:
    """What was drawn.

    Attributes:
        page: the HTML file.
        points, patients: how many are shown.
        missing: points without a value of the variable.
        color: canonical name of the variable.
    """

    page: Path
    points: int
    patients: int
    missing: int
    color: str


def visualize(options: VisualizeOptions) -> Visualized:
    """Draw one page.

    Raises:
        BadInput: there are no features, the variable is unknown or has no value here, or the page exists.
    """
    from medcl.evaluation.feature_table import read_feature_table
    from medcl.figures.embedding_page import embedding_page
    from medcl.figures.maps import fit_map

    study = Study.find(options.study)
    file = _choose_features(study, options.features)
    cohort = read_options_cohort(study, options)
    color = cohort.variable(options.color).name if options.color else ""
    table = read_feature_table(file)
    color = color or _default_color(table, cohort)
    made = [f"{color}: {note}" for note in cohort.variable(color).notes]
    for note in [*cohort.notes, *made]:
        log.info(note)
    page = _free_page(study, options, f"{file.stem}-{color}")
    table, notes = _chosen_rows(table, options)
    shown, unknown = _join(table, cohort, color, options)
    notes = [*table.notes, *notes, *([unknown] if unknown else [])]
    for note in notes:
        log.info(note)
    maps = [fit_map(method, shown.features, seed=options.seed) for method in options.method]
    html = embedding_page(
        shown.points,
        shown.colouring,
        maps,
        name=page.stem,
        rows=options.rows,
        run=str(table.card.get("run") or file.stem),
        trained_on=str(table.card.get("variable") or ""),
        facts=_facts(study, table, shown, options),
        said=[*notes, *made],
    )
    write_text(page, html)
    missing = int(shown.colouring.missing.sum())
    return Visualized(page, len(shown.points), len(set(shown.points.patients)), missing, color)


@dataclass(frozen=True)
class _Shown:
    """The rows of the page: who they are, their features, their colour."""

    points: Points
    features: Any
    colouring: Colouring


def _choose_features(study: Study, name: str | None) -> Path:
    if name is not None:
        for path in (study.features / f"{name}.csv", Path(name)):
            if path.is_file():
                return path
        if (study.features / name).is_dir():
            raise BadInput(
                f"--features {name}: {study.features / name} has one file per exam, for other programs. "
                "Run `medcl embed` without --one-file-per to have a table that can be drawn."
            )
    tables = sorted(study.features.glob("*.csv"), key=lambda path: (path.stat().st_mtime_ns, path.name))
    names = [path.stem for path in tables]
    if name is not None:
        close = nearest(name, names) or names[-5:]
        there = f"there are {', '.join(close)}" if close else "there are none; run `medcl embed` first"
        raise BadInput(f"--features {name}: no such table in {study.features} and no such file; {there}.")
    if not tables:
        raise BadInput(f"There are no features in {study.features}: run `medcl embed` first.")
    encoder = [path for path in tables if _layer(path) != "projection"]
    chosen = (encoder or tables)[-1]
    kind = "the newest" if chosen == tables[-1] else "the newest of the encoder's own features"
    others = [path.stem for path in tables if path != chosen][-5:]
    told = f" (others: {', '.join(others)}; choose with --features)" if others else ""
    log.info(f"Features: {chosen.name}, {kind}{told}.")
    return chosen


def _layer(table: Path) -> str:
    """The layer that the card beside a table of features tells; "" of one without a card."""
    from medcl.evaluation.feature_table import card_file
    from medcl.study.files import read_json

    card = card_file(table)
    stored = read_json(card) if card.is_file() else {}
    return str(stored.get("layer", "")) if isinstance(stored, dict) else ""


def _default_color(table: FeatureTable, cohort: Cohort) -> str:
    trained_on = table.card.get("variable")
    if trained_on:
        log.info(f"Colour: {trained_on}, which the run was trained on; choose another with --color.")
        return cohort.variable(str(trained_on)).name
    known = ", ".join([*cohort.variables, "exam", "sequence"])
    raise BadInput(f"--color is missing: {table.file.name} is not of a run with a variable. Choose one of {known}.")


def _free_page(study: Study, options: VisualizeOptions, default: str) -> Path:
    name = options.name or re.sub(r"[^\w.+-]+", "-", default)
    page = study.figures / f"{name.removesuffix('.html')}.html"
    if page.exists() and not options.overwrite:
        raise BadInput(f"The page {page} exists. Replace it with --overwrite, or give another name with --name.")
    return page


def _chosen_rows(table: FeatureTable, options: VisualizeOptions) -> tuple[FeatureTable, list[str]]:
    """The rows of one fold and of the exams and sequences asked for."""
    import numpy as np

    folds = sorted(set(table.folds.tolist()))
    fold = folds[0] if options.fold is None else options.fold
    problems, notes = [], []
    if fold not in folds:
        problems.append(f"--fold {fold}: {table.file.name} has the folds {', '.join(map(str, folds))}.")
    if len(folds) > 1:
        notes.append(f"Fold {fold} of {len(folds)}: its encoder only, since those of other folds do not compare.")
    keep = table.folds == fold
    for option, column in (("exam", table.exams), ("sequence", table.sequences)):
        words: list[str] = getattr(options, option)
        wanted = {word.casefold() for word in words}
        unknown = [word for word in words if word.casefold() not in {name.casefold() for name in column.tolist()}]
        if unknown:
            there = ", ".join(exam_order(set(column.tolist()) - {""})) or "none"
            problems.append(f"--{option} {', '.join(unknown)}: not in {table.file.name}, which has {there}.")
        if wanted:
            keep &= np.array([word.casefold() in wanted for word in column.tolist()], dtype=bool)
    if problems:
        raise BadInput(problems)
    return table.only(keep), notes


def _join(table: FeatureTable, cohort: Cohort, color: str, options: VisualizeOptions) -> tuple[_Shown, str]:
    """Features with the cohort's values beside them; and a sentence on rows that the cohort does not know."""
    import numpy as np

    from medcl.figures.points import Points

    case_of = {
        (str(row.patient), str(row.exam), str(row.sequence)): str(row.case)
        for row in cohort.frame[["patient", "exam", "sequence", "case"]].itertuples(index=False)
    }
    rows = list(zip(table.patients.tolist(), table.exams.tolist(), table.sequences.tolist(), strict=True))
    cases = [case_of.get(row) for row in rows]
    lost = sum(case is None for case in cases)
    if lost == len(cases):
        raise BadInput(
            f"None of the {counted(len(cases), 'row')} of {table.file} is in {cohort.file}: patient, exam and sequence "
            "must be the same in both. Are they of the same study?"
        )
    groups = _groups(rows, options.rows)
    if options.no_ids and canonical_name(color) == "patient":
        raise BadInput("--no-ids does not go with --color patient: the legend would name them. Leave one of them out.")
    features = np.stack([table.features[group].mean(axis=0) for group in groups])
    colouring = _colouring(cohort, color, cases, groups, options.scale)
    firsts = [group[0] for group in groups]
    if colouring.missing.all():
        raise BadInput(
            f"--color {color}: no value of it in the {counted(len(groups), 'row')} shown; choose another variable "
            "(`medcl list variables`) or other rows."
        )
    names = [name for name in (color, str(table.card.get("variable") or "")) if _is_clinical(cohort, name)]
    hover = list(dict.fromkeys([*names, *cohort.variables]))[:MOST_HOVER_VARIABLES]
    points = Points(
        [rows[first][0] for first in firsts],
        [rows[first][1] for first in firsts],
        ["" if options.rows == "exam" else rows[first][2] for first in firsts],
        [str(table.splits[first]) for first in firsts],
        [_colouring(cohort, name, cases, groups, options.scale) for name in hover],
        not options.no_ids,
    )
    verb = "is" if lost == 1 else "are"
    words = f"{lost} of the {counted(len(cases), 'row')} of features {verb} not in cohort.csv and without values."
    return _Shown(points, features, colouring), words if lost else ""


def _is_clinical(cohort: Cohort, name: str) -> bool:
    """Whether a name is of a clinical variable, or of one that is made of readings."""
    if not name or reserved_name(name):
        return False
    try:
        return bool(cohort.variable(name).name)
    except BadInput:  # of a run whose variable the tables no longer have
        return False


def _groups(rows: Sequence[tuple[str, str, str]], kind: str) -> list[list[int]]:
    """Places of the rows that make one point: each alone, or those of one patient and exam."""
    if kind == "image":
        return [[place] for place in range(len(rows))]
    found: dict[tuple[str, str], list[int]] = {}
    for place, (patient, exam, _) in enumerate(rows):
        found.setdefault((patient, exam), []).append(place)
    return list(found.values())


def _colouring(
    cohort: Cohort, name: str, cases: Sequence[str | None], groups: Sequence[Sequence[int]], scale: str
) -> Colouring:
    """A variable over the points: the mean over a point's images (numbers), or their class where they agree."""
    import numpy as np

    from medcl.figures.colouring import Colouring

    variable = cohort.variable(name)
    by_case = variable.values.dropna().to_dict()
    values = [[by_case[case] for place in group if (case := cases[place]) in by_case] for group in groups]
    limits = frozenset(
        point for point, group in enumerate(groups) if any(cases[place] in variable.censored for place in group)
    )
    if variable.kind == "numeric":
        means = np.array([float(np.mean(each)) if each else np.nan for each in values])
        return Colouring(variable.name, variable.unit, "numeric", means, scale, limits)
    classes = np.array([each[0] if len(set(each)) == 1 else "" for each in values], dtype=object)
    return Colouring(variable.name, variable.unit, "categorical", classes, scale)


def _facts(study: Study, table: FeatureTable, shown: _Shown, options: VisualizeOptions) -> dict[str, str]:
    """What the footer lists, so that others can make the same page."""
    card = table.card
    inside = table.file.is_relative_to(study.root)
    file = table.file.relative_to(study.root) if inside else Path(table.file.name)
    trained = f"{card.get('method')}" + (f", trained on {card['variable']}" if card.get("variable") else "")
    chosen = [f"{word} {', '.join(getattr(options, word))}" for word in ("exam", "sequence") if getattr(options, word)]
    facts = {
        "Run": f"{card['run']} ({trained})" if card.get("run") else "not known",
        "Features": f"{file}, {card.get('layer', 'layer not known')}, {table.features.shape[1]} features",
        "Rows": f"one for each {options.rows}" + (f"; {'; '.join(chosen)}" if chosen else ""),
    }
    if options.rows == "exam":
        facts["Rows"] += "; features and values are means over an exam's sequences"
    if card.get("folds"):
        facts["Fold"] = str(int(table.folds[0]))
    return {**facts, "Colour": _colours(shown.colouring, options.scale), "Seed": str(options.seed)}


def _colours(colouring: Colouring, scale: str) -> str:
    """What the points are coloured by, and with which colours."""
    palette = f"scale {scale}" if colouring.kind == "numeric" else "classes in the colours of Okabe and Ito"
    return f"{colouring.name}, {palette}"
