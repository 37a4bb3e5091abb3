"""`medcl embed`: the encoder's features of every preprocessed image, as a table."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import field_validator, model_validator

from medcl.networks.registry import UNET
from medcl.study.errors import BadInput
from medcl.study.exams import exam_order
from medcl.study.folder import Study
from medcl.study.names import nearest
from medcl.study.plural import counted
from medcl.study.runs import Run, list_runs, newest_run, read_run
from medcl.workflows.clinical_options import ClinicalOptions, read_options_cohort
from medcl.workflows.options import flag, split_words

if TYPE_CHECKING:
    from medcl.imaging.store import VolumeStore
    from medcl.study.cohort import Cohort
    from medcl.workflows.feature_files import FoldEncoder

KINDS = ("pretrain", "segment", "cluster")
"""Runs that leave an encoder; without --run that of a pretraining is taken."""

_SHOWN = 5

log = logging.getLogger("medcl")


class EmbedOptions(ClinicalOptions):
    """Write the encoder's features of every preprocessed image as a table.

    One row an image: patient, exam, sequence, split (train, val, test, or new), f0, f1, ... Of a run on slices the
    features of an image are the mean over its slices. Research use only.
    """

    section: ClassVar[str] = "embed"

    run: str | None = flag(
        None,
        "Run whose encoder is used: a name in runs/ or a run folder; the newest finished unless told.",
        metavar="RUN",
    )
    exam: list[str] = flag([], "Embed these exams only.")
    sequence: list[str] = flag([], "Embed these sequences only.")
    layer: Literal["encoder", "projection"] = flag(
        "encoder", "The encoder's features, or what the loss saw behind the projection head."
    )
    variables: list[str] = flag(
        [],
        "Add these clinical variables as columns, such as gfr,screat@365+-60; all adds every one.",
        metavar="A,B,...",
    )
    one_file_per: Literal["exam"] | None = flag(
        None,
        "One CSV for each exam with a row a patient (mean over sequences) and columns patient, 0, 1, ...: the form "
        "that the public kidney code reads.",
    )
    new_images: bool = flag(
        False, "Go on although images were added or changed since the run was trained; new patients are marked new."
    )
    batch_size: int = flag(8, "Images (of a run on slices: slices) that are encoded at once.", ge=1)
    device: Literal["auto", "cpu", "cuda", "mps"] = flag(
        "auto", "Where to encode; auto takes a CUDA GPU where there is one."
    )
    name: str | None = flag(None, "Name of the table; the run's name and what was chosen unless told.", metavar="NAME")
    overwrite: bool = flag(False, "Replace a table of the same name.")

    @field_validator("exam", "sequence", "variables", mode="before")
    @classmethod
    def _words(cls, value: Any) -> Any:
        return split_words(value)

    @model_validator(mode="after")
    def _fits_together(self) -> EmbedOptions:
        if self.one_file_per and self.variables:
            raise ValueError("--variables does not go with --one-file-per: those files hold features only.")
        if self.name is not None and (not self.name or Path(self.name).name != self.name or self.name.startswith(".")):
            raise ValueError(f"--name {self.name}: give a plain file name without folders; .csv is added.")
        return self


@dataclass(frozen=True)
class Embedded:
    """What was written.

    Attributes:
        output: the table, or the folder of the files per exam.
        run: whose encoder made it.
        images, patients, features, folds: how many.
    """

    output: Path
    run: str
    images: int
    patients: int
    features: int
    folds: int


def embed(options: EmbedOptions) -> Embedded:
    """Encode the chosen images with the run's encoder, or with each fold's.

    Raises:
        BadInput: no run, no volumes, volumes made by another recipe or changed since the training, a filter that
            matches nothing, or an output that exists.
        RunFailed: the features are not finite, or the disk is full.
    """
    from medcl.imaging.store import VolumeStore
    from medcl.training.device import resolve_device
    from medcl.workflows.feature_files import FeatureFiles

    study = Study.find(options.study)
    device = resolve_device(options.device)
    run = _choose_run(study, options.run)
    own = run.path.parent.resolve() == study.runs.resolve()
    folds = _folds(run, own)
    output = _free_output(study, run, options)
    card = _card(folds[0])
    cohort = read_options_cohort(study, options)
    store = VolumeStore.open(study.preprocessed(card["preprocessed"])).only(set(cohort.cases()))
    _same_recipe(store, card, run)
    if own and options.new_images:
        for fold in folds:
            _refuse_known_images(store, run, fold)
    if own and store.fingerprint() != card["data"]:
        _tell_changes(store, card, run, folds[0], allowed=options.new_images)
    entries = _chosen(store, options)
    clinical = _clinical(cohort, options.variables)
    told = _table_card(run, card, options, len(entries), folds)
    files = FeatureFiles(store, entries, folds, options.layer, options.batch_size, device)
    people = len({entry.patient for entry in entries})
    features = files.write_per_exam(output, told) if options.one_file_per else files.write_table(output, clinical, told)
    return Embedded(output, run.name, len(entries), people, features, len(folds))


def _choose_run(study: Study, name: str | None) -> Run:
    if name is None:
        run = newest_run(study, "pretrain")
        others = [other.name for other in list_runs(study) if other.kind == "pretrain" and other.name != run.name]
        told = f" (others: {', '.join(others[-5:])}; choose with --run)" if others else ""
        log.info(f"Run: {run.name}, the newest finished one{told}.")
        return run
    path = next((path for path in (study.runs / name, Path(name)) if (path / "run.json").is_file()), None)
    if path is None:
        names = [run.name for run in list_runs(study)]
        close = nearest(name, names) or names[-5:]
        there = f"there are {', '.join(close)}" if close else "there are none; run `medcl pretrain` first"
        raise BadInput(f"--run {name}: no such run in {study.runs} and no run folder of that path; {there}.")
    run = read_run(path)
    if run.kind not in KINDS:
        raise BadInput(f"--run {name}: this is a run of `medcl {run.kind}`, which leaves no encoder.")
    _refuse_unet(run, name)
    if run.status != "finished":
        raise BadInput(
            f"--run {name}: the run is {run.status}, so it has no encoder yet. "
            f"Go on with `medcl pretrain --name {run.name} --resume`, or choose another run."
        )
    return run


def _refuse_unet(run: Run, name: str) -> None:
    options = run.record.get("options")
    if not isinstance(options, dict) or run.kind != "segment":
        return
    if options.get("method") == "translated" or options.get("network") == UNET:
        raise BadInput(
            f"--run {name}: the network of this segmentation is a U-Net, whose way down gives "
            "maps of several scales and no feature vector: choose another run."
        )


def _folds(run: Run, own: bool) -> list[FoldEncoder]:
    """The encoders of a run. Of another study's run no split is taken: its patient P001 is not this study's."""
    from medcl.study.splits import read_splits
    from medcl.workflows.feature_files import FoldEncoder

    numbers = sorted(
        int(found[1]) for folder in run.path.glob("fold-*/") if (found := re.fullmatch(r"fold-(\d+)", folder.name))
    )
    folders: list[tuple[int | None, Path]] = [(None, run.path)]
    if numbers:
        folders = [(number, run.folder(number)) for number in numbers]
    return [
        FoldEncoder(number, folder, read_splits(folder / "splits.csv").of(1) if own else {})
        for number, folder in folders
    ]


def _card(fold: FoldEncoder) -> dict[str, Any]:
    from medcl.training.export import read_encoder_card

    card = read_encoder_card(fold.folder)
    if "npz" in card:
        raise BadInput(
            f"{fold.folder}: the run was trained on images of a file (--npz), which has no patients and exams: `medcl "
            "cluster evaluate` and `medcl cluster apply` take such images."
        )
    missing = [name for name in ("preprocessed", "recipe_key", "data", "architecture") if name not in card]
    if missing:
        raise BadInput(f"{fold.folder}: encoder.json lacks {', '.join(missing)}. Train the run again.")
    return card


def _free_output(study: Study, run: Run, options: EmbedOptions) -> Path:
    parts = [run.name, *(["projection"] if options.layer == "projection" else []), *options.exam, *options.sequence]
    name = (options.name or re.sub(r"[^\w.+-]+", "-", "-".join(parts))).removesuffix(".csv")
    output = study.features / (name if options.one_file_per else f"{name}.csv")
    filled = any(output.iterdir()) if output.is_dir() else output.exists() and output.stat().st_size > 0
    if filled and not options.overwrite:
        raise BadInput(f"{output} exists already. Replace it with --overwrite, or give another name with --name.")
    if output.is_dir() != bool(options.one_file_per) and output.exists():
        raise BadInput(f"{output} is in the way of the output: remove it or give another name with --name.")
    return output


def _same_recipe(store: VolumeStore, card: Mapping[str, Any], run: Run) -> None:
    if store.recipe.key() == card["recipe_key"]:
        return
    raise BadInput(
        [
            f"The run {run.name} was trained on volumes of another recipe (there) than those of "
            f"preprocessed/{card['preprocessed']} (now):",
            *(f"  {words}" for words in store.recipe.differences(card.get("recipe") or {})),
            "Preprocess with the run's recipe into that name again, or train a run on these volumes.",
        ]
    )


def _tell_changes(store: VolumeStore, card: Mapping[str, Any], run: Run, fold: FoldEncoder, *, allowed: bool) -> None:
    """Say which images have come, gone or changed since the training, and refuse them unless they are allowed."""
    from medcl.imaging.image_list import changes_since, read_image_list

    where = f"preprocessed/{card['preprocessed']}"
    told = [f"Images of {where} were added, removed or changed since {run.name} was trained."]
    if listed := read_image_list(run.path):
        changes = changes_since(listed, store.entries)
        parts = {"added": changes.added, "removed": changes.removed, "changed": changes.changed}
        what = [f"{counted(len(cases), 'image')} {word} ({_some(cases)})" for word, cases in parts.items() if cases]
        told = [f"Of {where}, since {run.name} was trained: {'; '.join(what)}."]
    patients = {entry.patient for entry in store.entries}
    unknown, gone = sorted(patients - fold.splits.keys()), sorted(fold.splits.keys() - patients)
    if unknown:
        told.append(f"Patients that the run does not know: {_some(unknown)}.")
    if unknown and gone:
        told.append(
            f"Patients of {fold.folder / 'splits.csv'} that are not here: {_some(gone)}. "
            "If they were renamed, write their new names there too."
        )
    if allowed:
        log.warning(" ".join([*told, *(["They are marked new."] if unknown else [])]))
        return
    told.append(
        "The run's split may not hold for them. Go on with --new-images (patients that the run does not know are "
        "marked new), or train again."
    )
    raise BadInput(" ".join(told))


def _refuse_known_images(store: VolumeStore, run: Run, fold: FoldEncoder) -> None:
    """An image that the encoder has seen must not come back as a new, held-out patient: as a copy, or renamed."""
    from medcl.imaging.image_list import read_image_list
    from medcl.study.leakage import check_images
    from medcl.workflows.feature_files import NEW

    seen = [image for image in read_image_list(run.path) if image.patient in fold.splits]
    try:
        check_images([*store.entries, *seen], fold.splits, others=NEW)
    except BadInput as error:
        hint = f"If a patient was renamed since {run.name} was trained, rename it in {fold.folder / 'splits.csv'} too."
        raise BadInput([*error.problems, hint]) from None


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _chosen(store: VolumeStore, options: EmbedOptions) -> list[Any]:
    """The entries asked for, in order of their cases."""
    every = entries = sorted(store.entries, key=lambda entry: str(entry.case))
    problems = [] if entries else ["No image of cohort.csv is preprocessed: run `medcl preprocess`."]
    for option in ("exam", "sequence"):
        words: list[str] = getattr(options, option)
        wanted = {word.casefold() for word in words}
        there = {str(getattr(entry, option)) for entry in every} - {""}
        unknown = [word for word in words if word.casefold() not in {name.casefold() for name in there}]
        if unknown:
            known = ", ".join(exam_order(there)) or "none"
            problems.append(f"--{option} {', '.join(unknown)}: no such {option}; the images have {known}.")
        if wanted:
            entries = [entry for entry in entries if str(getattr(entry, option)).casefold() in wanted]
    if not problems and not entries:
        problems.append("No image is of both the exams and the sequences asked for: choose fewer filters.")
    if options.one_file_per and (without := [entry.case for entry in entries if not entry.exam]):
        has = "has" if len(without) == 1 else "have"
        problems.append(f"--one-file-per exam: {counted(len(without), 'image')} {has} no exam, such as {without[0]}.")
    if options.one_file_per and not problems:
        problems += _same_file(entries)
    if problems:
        raise BadInput(problems)
    return entries


def _same_file(entries: Sequence[Any]) -> list[str]:
    """Exams whose files would have one name."""
    from medcl.workflows.feature_files import file_name

    exams = sorted({str(entry.exam) for entry in entries})
    named: dict[str, list[str]] = {}
    for exam in exams:
        named.setdefault(file_name(exam).casefold(), []).append(exam)
    return [
        f"--one-file-per exam: the exams {', '.join(both)} would share a file; rename them in cohort.csv."
        for both in named.values()
        if len(both) > 1
    ]


def _clinical(cohort: Cohort, wanted: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The columns of clinical variables by name: value by case, without those that are missing."""
    if not wanted:
        return {}
    from medcl.evaluation.feature_table import refuse_clashing

    names = cohort.variables if [word.casefold() for word in wanted] == ["all"] else wanted
    columns = {(variable := cohort.variable(name)).name: variable for name in names}
    refuse_clashing(columns)
    for note in [*cohort.notes, *(f"{name}: {note}" for name, each in columns.items() for note in each.notes)]:
        log.info(note)
    return {name: {str(case): value for case, value in variable.present.items()} for name, variable in columns.items()}


def _table_card(
    run: Run, card: Mapping[str, Any], options: EmbedOptions, images: int, folds: Sequence[FoldEncoder]
) -> dict[str, Any]:
    return {
        "run": run.name,
        "method": card.get("method", ""),
        "variable": card.get("variable", ""),
        "layer": options.layer,
        "exams": options.exam,
        "sequences": options.sequence,
        "images": images,
        **({"slices": card["slices"], "over_slices": "mean"} if card.get("slices") else {}),
        "folds": len(folds) if folds[0].number is not None else 0,
        "preprocessed": card["preprocessed"],
        "recipe_key": card["recipe_key"],
        "data": card["data"],
    }
