"""`medcl embed`: the encoder's features of every preprocessed image, as a table."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import field_validator, model_validator

from medcl.study.errors import BadInput
from medcl.study.exams import exam_order
from medcl.study.folder import Study
from medcl.study.names import nearest
from medcl.study.runs import Run, list_runs, newest_run, read_run
from medcl.workflows.options import Options, flag, split_words

if TYPE_CHECKING:
    from medcl.imaging.store import VolumeStore
    from medcl.workflows.feature_files import FoldEncoder

log = logging.getLogger("medcl")


class EmbedOptions(Options):
    """Write the encoder's features of every preprocessed image as a table.

    One row an image: patient, exam, sequence, split (train, val, test, or new), f0, f1, ... Research use only.
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
    clinical: bool = flag(False, "Add the clinical columns of cohort.csv.")
    one_file_per: Literal["exam"] | None = flag(
        None,
        "One CSV for each exam with a row a patient (mean over sequences) and columns patient, 0, 1, ...: the form "
        "that the public kidney code reads.",
    )
    new_images: bool = flag(
        False, "Go on although images were added or changed since the run was trained; new patients are marked new."
    )
    batch_size: int = flag(8, "Images that are encoded at once.", ge=1)
    device: Literal["auto", "cpu", "cuda", "mps"] = flag(
        "auto", "Where to encode; auto takes a CUDA GPU where there is one."
    )
    name: str | None = flag(None, "Name of the table; the run's name and what was chosen unless told.", metavar="NAME")
    overwrite: bool = flag(False, "Replace a table of the same name.")

    @field_validator("exam", "sequence", mode="before")
    @classmethod
    def _words(cls, value: Any) -> Any:
        return split_words(value)

    @model_validator(mode="after")
    def _fits_together(self) -> EmbedOptions:
        if self.one_file_per and self.clinical:
            raise ValueError("--clinical does not go with --one-file-per: those files hold features only.")
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
    from medcl.study.cohort import read_cohort
    from medcl.training.device import resolve_device
    from medcl.workflows.feature_files import FeatureFiles

    study = Study.find(options.study)
    device = resolve_device(options.device)
    run = _choose_run(study, options.run)
    own = run.path.parent.resolve() == study.runs.resolve()
    folds = _folds(run, own)
    output = _free_output(study, run, options)
    card = _card(folds[0])
    cohort = read_cohort(study.cohort_file, need_images=False)
    store = VolumeStore.open(study.preprocessed(card["preprocessed"])).only(set(cohort.cases()))
    _same_recipe(store, card, run)
    _same_images(store, card, run, own=own, allowed=options.new_images)
    if own and options.new_images:
        for fold in folds:
            _refuse_known_images(store, fold)
    entries = _chosen(store, options)
    clinical = _clinical(cohort, options.clinical)
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
    if run.kind != "pretrain":
        raise BadInput(f"--run {name}: this is a run of `medcl {run.kind}`, not of `medcl pretrain`.")
    if run.status != "finished":
        raise BadInput(
            f"--run {name}: the run is {run.status}, so it has no encoder yet. "
            f"Go on with `medcl pretrain --name {run.name} --resume`, or choose another run."
        )
    return run


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


def _same_images(store: VolumeStore, card: Mapping[str, Any], run: Run, *, own: bool, allowed: bool) -> None:
    if not own or store.fingerprint() == card["data"]:
        return
    changed = (
        f"images of preprocessed/{card['preprocessed']} were added, removed or changed since {run.name} was trained"
    )
    if not allowed:
        raise BadInput(
            f"The {changed}, so its split may not hold for them. Go on with --new-images (patients that the run does "
            "not know are marked new), or train again."
        )
    log.warning(f"Some {changed}; patients that it does not know are marked new.")


def _refuse_known_images(store: VolumeStore, fold: FoldEncoder) -> None:
    """A copy of an image that the encoder has seen must not come back as a new, held-out patient."""
    from medcl.study.leakage import check_leakage
    from medcl.workflows.feature_files import NEW

    entries = store.entries
    check_leakage(
        [entry.case for entry in entries],
        [entry.patient for entry in entries],
        [entry.content for entry in entries],
        [fold.splits.get(entry.patient, NEW) for entry in entries],
    )


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
        problems.append(f"--one-file-per exam: {len(without)} images have no exam, such as {without[0]}.")
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


def _clinical(cohort: Any, wanted: bool) -> dict[str, dict[str, Any]]:
    """The clinical columns by name: value by case, without those that are missing."""
    if not wanted:
        return {}
    from medcl.evaluation.feature_table import refuse_clashing

    refuse_clashing(cohort.variables)
    return {name: variable.values.dropna().to_dict() for name, variable in cohort.variables.items()}


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
        "folds": len(folds) if folds[0].number is not None else 0,
        "preprocessed": card["preprocessed"],
        "recipe_key": card["recipe_key"],
        "data": card["data"],
    }
