"""`medcl translate apply`: images as they would look in the other modality, on the grids of their own files."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, model_validator

from medcl.study.errors import BadInput
from medcl.study.folder import Study
from medcl.study.plural import counted
from medcl.study.runs import Run
from medcl.study.segmentations import NEW
from medcl.study.translations import FOLDER, TranslatedFile, write_translations
from medcl.workflows.applied_study import applied_study
from medcl.workflows.finished_run import finished_run
from medcl.workflows.image_remarks import ImageRemarks
from medcl.workflows.known_patients import KnownPatients
from medcl.workflows.options import Options, flag
from medcl.workflows.segment_remarks import alike
from medcl.workflows.translate_run import KIND, refuse_unusable, source_cases, source_modalities

if TYPE_CHECKING:
    from medcl.evaluation.saved_translator import SavedTranslator
    from medcl.imaging.worker import Job
    from medcl.study.cohort import Cohort
    from medcl.workflows.translate_prediction import TranslatedImage
    from medcl.workflows.translate_writing import TranslationWriter

_WRITERS = 2

log = logging.getLogger("medcl")


class TranslateApplyOptions(Options):
    """Translate images with a trained generator: volumes on the images' original grids.

    Without FILES, the study's images of the run's source and its test patients, read from their original files; with
    FILES, any NIfTI files or DICOM folders. Images are prepared by the run's own recipe. Translations are in Hounsfield
    units where the target's recipe has a window of them, else in 0..1. Research use only.
    """

    section: ClassVar[str] = "translate.apply"

    files: list[Path] = Field(
        default=[],
        description="NIfTI files, folders of them, or DICOM folders; the study's images unless told.",
        json_schema_extra={"metavar": "FILES", "panel": None, "positional": True},
    )
    run: str | None = flag(
        None,
        "Run whose generator is used: a name in runs/ or a run folder, of another study too; the newest finished "
        "unless told.",
        metavar="RUN",
    )
    split: Literal["train", "val", "test", "new", "all"] | None = flag(
        None,
        "Which of the study's images, by the run's split; new are patients that the run does not know. test unless "
        "told, all by a run of another study.",
    )
    name: str | None = flag(
        None, "Name of the translations' folder, translations/NAME; told from the run unless given.", metavar="NAME"
    )
    out: Path | None = flag(None, "Write into this folder instead of translations/NAME.", metavar="DIR")
    smooth: float = flag(
        0.0,
        "Smooth the generator's norms over so many neighbouring slices (the standard deviation of a Gaussian), against "
        "flicker; needs a second pass. 0 leaves each slice its own.",
        ge=0,
        metavar="SLICES",
    )
    skip_bad: bool = flag(False, "End well although some images cannot be used; they are named on the card.")
    batch_size: int = flag(8, "Slices that are translated at once.", ge=1)
    device: Literal["auto", "cpu", "cuda", "mps"] = flag(
        "auto", "Where to translate; auto takes a CUDA GPU where there is one."
    )
    overwrite: bool = flag(False, "Replace the translations of an earlier call.")

    @model_validator(mode="after")
    def _fits_together(self) -> TranslateApplyOptions:
        problems = []
        if self.files and self.split is not None:
            problems.append("--split chooses among the study's images: leave it out, or leave out the files.")
        if self.name is not None and self.out is not None:
            problems.append("--name names a folder of the study, --out is another folder: give one of them.")
        if self.name is not None and (not self.name or Path(self.name).name != self.name or self.name.startswith(".")):
            problems.append(f"--name {self.name}: give a plain folder name.")
        if problems:
            raise ValueError(" ".join(problems))
        return self


@dataclass(frozen=True)
class TranslateApplied:
    """What was written.

    Attributes:
        folder: of the translations.
        run: whose generator made them.
        images, patients: how many; patients 0 where files tell none.
        unit: of the translations, "HU" or "0..1".
        left_out: (case, problem) of images that could not be used, with --skip-bad.
        left_out_told: the same in lines, one for each problem.
        seconds: it took.
    """

    folder: Path
    run: str
    images: int
    patients: int
    unit: str
    left_out: list[tuple[str, str]]
    left_out_told: list[str]
    seconds: float


def translate_apply(options: TranslateApplyOptions) -> TranslateApplied:
    """Translate images and write each with the grid of its file, and a table of them.

    Raises:
        BadInput: no run, no images, an output that exists, or images that cannot be used (the translations of the
            others are written before).
        RunFailed: the disk is full, memory ran out, or a translation is not finite.
    """
    from medcl.evaluation.saved_translator import load_translator
    from medcl.imaging.scale import Scale
    from medcl.training.device import resolve_device
    from medcl.workflows.region_run import region_run_of
    from medcl.workflows.translate_prediction import ImageTranslator
    from medcl.workflows.translate_writing import TranslationWriter

    started = time.monotonic()
    study = applied_study(options.study, options.files, options.run, options.out, "translations")
    device = resolve_device(options.device)
    run = finished_run(study, KIND, options.run)
    own = study is not None and run.path.parent.resolve() == study.runs.resolve()
    saved = load_translator(run.path, device)
    refuse_unusable(saved, run.path)
    regions = region_run_of(saved, run.path, study, device)
    known = KnownPatients.of(run, own)
    exams, cohort = _images(study, saved, run, known, own, options)
    writer = TranslationWriter(_folder(study, run, own, options), Scale.of(saved.target))
    jobs = [job for exam in exams for job in exam]
    _make_room(writer, jobs, cohort, options)
    translator = ImageTranslator(saved, options.batch_size, options.smooth, source_modalities(saved), regions)
    made = _written(writer, translator.images(exams), len(jobs), known, saved)
    left_out = [(case, " ".join(problems)) for case, problems in made.bad.items()]
    if made.done:
        write_translations(writer.folder, made.done, _card(run, saved, options, writer.scale.unit, left_out))
    writer.output.call_ended()
    told = alike(made.bad, {job.names["case"]: job.source.image for job in jobs})
    _refuse_bad(told, len(made.bad), len(jobs), writer.folder, options)
    for remark in [*made.remarks.sentences(), *(regions.remarks() if regions else [])]:
        log.info(remark)
    return TranslateApplied(
        folder=writer.folder,
        run=run.name,
        images=len(made.done),
        patients=len({row.patient for row in made.done} - {""}),
        unit=writer.scale.unit,
        left_out=left_out,
        left_out_told=told,
        seconds=time.monotonic() - started,
    )


def _images(
    study: Study | None,
    saved: SavedTranslator,
    run: Run,
    known: KnownPatients,
    own: bool,
    options: TranslateApplyOptions,
) -> tuple[list[list[Job]], Cohort | None]:
    """The images asked for, and the cohort that they are of; None for files."""
    from medcl.study.cohort import read_cohort
    from medcl.workflows.prepared_images import exams_of
    from medcl.workflows.segment_files import file_jobs

    if options.files or study is None:
        return file_jobs(options.files, saved.source), None
    cohort = read_cohort(study.cohort_file, need_images=False)  # missing files are told with the others' faults
    for note in cohort.notes:
        log.info(note)
    theirs = source_cases(cohort, saved, run.name, own)
    wanted = options.split or ("test" if known.splits else "all")
    patients = dict(zip(cohort.cases(), cohort.frame["patient"], strict=True))
    sides = {patients[case]: known.splits.get(patients[case], NEW) for case in patients if case in theirs}
    cases = {case for case in theirs if wanted in ("all", sides[patients[case]])}
    if not cases:
        there = ", ".join(f"{side} {list(sides.values()).count(side)}" for side in dict.fromkeys(sides.values()))
        raise BadInput(
            f"--split {wanted}: no patient with images of the run's source in {cohort.file} is on that side of the "
            f"run's split (patients: {there}). Choose another side, or --split all."
        )
    return exams_of(saved.source, cohort, cases), cohort


def _folder(study: Study | None, run: Run, own: bool, options: TranslateApplyOptions) -> Path:
    if options.out is not None:
        return options.out.absolute()
    assert study is not None  # without a study --out is told
    side = "files" if options.files else options.split or ("test" if own else "all")
    return study.root / FOLDER / (options.name or (run.name if side == "test" else f"{run.name}-{side}"))


def _make_room(
    writer: TranslationWriter, jobs: Sequence[Job], cohort: Cohort | None, options: TranslateApplyOptions
) -> None:
    targets = [writer.target(job.names["case"]) for job in jobs]
    masks = [] if cohort is None else [Path(mask) for mask in cohort.frame["mask"] if mask]
    every = [] if cohort is None else [Path(image) for image in cohort.frame["image"]]
    writer.output.refuse_inputs(jobs, [*every, *masks], targets)
    writer.output.make_room(targets, options.overwrite)


@dataclass(frozen=True)
class _Made:
    """What became of the images: rows of the table, problems by case, and what is to be said of them."""

    done: list[TranslatedFile]
    bad: dict[str, tuple[str, ...]]
    remarks: ImageRemarks


def _written(
    writer: TranslationWriter,
    images: Iterable[TranslatedImage],
    count: int,
    known: KnownPatients,
    saved: SavedTranslator,
) -> _Made:
    """Write all translations and collect what is known of them."""
    from medcl.workflows.progress import progress

    unseen = f"the lowest value, {writer.scale.low:g}"
    made = _Made([], {}, ImageRemarks(saved.card["source"], True, "translations", unseen))
    with progress("Translating", count) as step:
        for image, problems in writer.written(images, _WRITERS):
            if problems:
                made.bad[image.case] = problems
            else:
                made.done.append(_row(image, writer, known))
                made.remarks.look(image, known)
            step(1, image.case)
    return made


def _row(image: TranslatedImage, writer: TranslationWriter, known: KnownPatients) -> TranslatedFile:
    names = image.job.names
    return TranslatedFile(
        case=image.case,
        patient=names["patient"],
        exam=names["exam"],
        sequence=names["sequence"],
        split=known.split_of(names["patient"], image.content),
        image=image.job.source.image,
        translation=writer.target(image.case),
        unit=writer.scale.unit,
        mutual_information=image.mutual_information,
        chance=image.chance,
        slice_steps=image.slice_steps,
    )


def _card(
    run: Run, saved: SavedTranslator, options: TranslateApplyOptions, unit: str, left_out: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    told = {
        side: {"filter": saved.card[side].get("filter", ""), "recipe": recipe.to_json()}
        for side, recipe in (("source", saved.source), ("target", saved.target))
    }
    return {
        "run": run.name,
        "run_path": str(run.path.absolute()),
        "weights_sha256": saved.card.get("weights_sha256", ""),
        **told,
        "unit": unit,
        "options": {name: getattr(options, name) for name in ("split", "smooth")},
        "left_out": [{"case": case, "problem": problem} for case, problem in left_out],
    }


def _refuse_bad(told: Sequence[str], bad: int, images: int, folder: Path, options: TranslateApplyOptions) -> None:
    """Tell what is missing as an error, unless --skip-bad was given and there is anything else."""
    if not told or (options.skip_bad and bad < images):
        return
    rest = images - bad
    last = f"{counted(rest, 'translation')} with their table {'is' if rest == 1 else 'are'} in {folder}"
    raise BadInput(
        [
            f"{bad} of {counted(images, 'image')} cannot be translated.",
            *told,
            *([f"{last}; --skip-bad ends well so."] if rest else []),
        ]
    )
