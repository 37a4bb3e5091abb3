"""`medcl segment apply`: masks of images on the grids of their own files, by a trained segmentation network."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, model_validator

from medcl.study.errors import BadInput
from medcl.study.folder import Study
from medcl.study.plural import counted
from medcl.study.runs import Run
from medcl.study.segmentations import NEW, Segmentation, write_segmentations
from medcl.workflows.applied_study import applied_study
from medcl.workflows.known_patients import KnownPatients
from medcl.workflows.options import Options, flag
from medcl.workflows.segment_folder import call_ended, make_room
from medcl.workflows.segment_remarks import Remarks, alike
from medcl.workflows.segment_run import refuse_unusable, segmenting_run, trained_modalities
from medcl.workflows.target_images import knows_patients, target_cases

if TYPE_CHECKING:
    from medcl.evaluation.saved_segmenter import SavedSegmenter
    from medcl.imaging.worker import Job
    from medcl.study.cohort import Cohort
    from medcl.workflows.segment_prediction import PredictedMask

_WRITERS = 2

log = logging.getLogger("medcl")


class SegmentApplyOptions(Options):
    """Segment images with a trained network: masks on the images' original grids.

    Without FILES, the study's images of the run's test patients, read from their original files; with FILES, any NIfTI
    files or DICOM folders. Images are prepared by the run's own recipe. A run of `medcl translate train --segment`
    segments images of its target. Research use only.
    """

    section: ClassVar[str] = "segment.apply"

    files: list[Path] = Field(
        default=[],
        description="NIfTI files, folders of them, or DICOM folders; the study's images unless told.",
        json_schema_extra={"metavar": "FILES", "panel": None, "positional": True},
    )
    run: str | None = flag(
        None,
        "Run whose network is used: a name in runs/ or a run folder, of another study too; the newest finished unless "
        "told.",
        metavar="RUN",
    )
    split: Literal["train", "val", "test", "new", "all"] | None = flag(
        None,
        "Which of the study's images, by the run's split; new are patients that the run does not know. test unless "
        "told, all by a run of another study.",
    )
    name: str | None = flag(
        None, "Name of the masks' folder, segmentations/NAME; told from the run unless given.", metavar="NAME"
    )
    out: Path | None = flag(None, "Write into this folder instead of segmentations/NAME.", metavar="DIR")
    decoder: Literal["mean", "first", "second"] = flag(
        "mean", "The mean of both decoders' probabilities, or one of them alone."
    )
    largest_component: bool = flag(False, "Keep the largest connected part of each class alone.")
    dicom_seg: bool = flag(
        False,
        "Write a DICOM SEG too where the image is a DICOM folder. It carries the patient's header, name included.",
    )
    skip_bad: bool = flag(False, "End well although some images cannot be used; they are named on the card.")
    batch_size: int = flag(8, "Slices (or windows of large volumes) that are predicted at once.", ge=1)
    device: Literal["auto", "cpu", "cuda", "mps"] = flag(
        "auto", "Where to predict; auto takes a CUDA GPU where there is one."
    )
    overwrite: bool = flag(False, "Replace the masks of an earlier call.")

    @model_validator(mode="after")
    def _fits_together(self) -> SegmentApplyOptions:
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
class SegmentApplied:
    """What was written.

    Attributes:
        folder: of the masks.
        run: whose network made them.
        masks, patients, segs: how many; patients 0 where files tell none, segs are the DICOM SEG files.
        with_truth: how many of the images have a mask to compare with.
        evaluation: the command that compares them; "" where none has one.
        left_out: (case, problem) of images that could not be used, with --skip-bad.
        left_out_told: the same in lines, one for each problem.
        seconds: it took.
    """

    folder: Path
    run: str
    masks: int
    patients: int
    segs: int
    with_truth: int
    evaluation: str
    left_out: list[tuple[str, str]]
    left_out_told: list[str]
    seconds: float


def segment_apply(options: SegmentApplyOptions) -> SegmentApplied:
    """Predict masks and write each with the grid of its image file, and a table of them.

    Raises:
        BadInput: no run, no images, an output that exists, or images that cannot be used (the masks of the others are
            written before).
        RunFailed: the disk is full, memory ran out, or probabilities are not finite.
    """
    from medcl.evaluation.saved_segmenter import load_segmenter
    from medcl.training.device import resolve_device
    from medcl.workflows.progress import progress
    from medcl.workflows.region_run import region_run_of
    from medcl.workflows.segment_prediction import MaskPredictor
    from medcl.workflows.segment_writing import MaskWriter

    started = time.monotonic()
    study = applied_study(options.study, options.files, options.run, options.out, "masks")
    device = resolve_device(options.device)
    run = segmenting_run(study, options.run)
    own = knows_patients(run, study)
    saved = load_segmenter(run.path, device)
    refuse_unusable(saved, run.path)
    regions = region_run_of(saved, run.path, study, device)
    known = KnownPatients.of(run, own)
    exams, cohort = _images(study, run, saved, known, options)
    jobs = [job for exam in exams for job in exam]
    folder = _folder(study, run, own, options)
    writer = MaskWriter(folder, saved.classes, run.name, options.dicom_seg)
    writer.refuse_inputs(jobs, [] if cohort is None else [Path(mask) for mask in cohort.frame["mask"] if mask])
    if options.dicom_seg and not any(job.source.image.is_dir() for job in jobs):
        raise BadInput("--dicom-seg: none of the images is a DICOM folder: leave the option out.")
    make_room(folder, (make(job.names["case"]) for job in jobs for make in writer.makes), options.overwrite)
    predictor = MaskPredictor(
        saved,
        options.decoder,
        options.batch_size,
        options.largest_component,
        trained_modalities(saved, run.path),
        regions,
    )
    done: list[Segmentation] = []
    bad: dict[str, tuple[str, ...]] = {}
    truths = {} if cohort is None else dict(zip(cohort.cases(), cohort.frame["mask"], strict=True))
    remarks = Remarks(saved.card, flat=saved.size[0] == 1)
    with progress("Segmenting", len(jobs)) as step:
        for mask, problems in writer.written(predictor.masks(exams), _WRITERS):
            if problems:
                bad[mask.case] = problems
            else:
                done.append(_row(mask, writer.target(mask.case), known, truths))
                remarks.add(mask, known)
            step(1, mask.case)
    left_out = [(case, " ".join(problems)) for case, problems in bad.items()]
    if done:
        write_segmentations(folder, done, _card(run, saved, options, left_out))
    call_ended(folder)
    told = alike(bad, {job.names["case"]: job.source.image for job in jobs})
    _refuse_bad(len(bad), told, writer.without_seg, len(jobs), folder, options)
    for remark in [*remarks.sentences(), *(regions.remarks() if regions else [])]:
        log.info(remark)
    return SegmentApplied(
        folder=folder,
        run=run.name,
        masks=len(done),
        patients=len({row.patient for row in done} - {""}),
        segs=sum(row.image.is_dir() for row in done) - len(writer.without_seg) if options.dicom_seg else 0,
        with_truth=sum(row.truth is not None for row in done),
        evaluation=_evaluation(study, folder, done),
        left_out=left_out,
        left_out_told=told,
        seconds=time.monotonic() - started,
    )


def _images(
    study: Study | None, run: Run, saved: SavedSegmenter, known: KnownPatients, options: SegmentApplyOptions
) -> tuple[list[list[Job]], Cohort | None]:
    """The images asked for, and the cohort that they are of; None for files."""
    from medcl.study.cohort import read_cohort
    from medcl.workflows.segment_files import file_jobs
    from medcl.workflows.segment_prediction import cohort_exams

    if options.files or study is None:
        return file_jobs(options.files, saved.recipe), None
    cohort = read_cohort(study.cohort_file, need_images=False)  # missing files are told with the others' faults
    for note in cohort.notes:
        log.info(note)
    theirs = target_cases(cohort, study, run, saved, trained_modalities(saved, run.path))
    wanted = options.split or ("test" if known.splits else "all")
    patients = dict(zip(cohort.cases(), cohort.frame["patient"], strict=True))
    sides = {patients[case]: known.splits.get(patients[case], NEW) for case in patients if case in theirs}
    cases = {case for case in theirs if wanted in ("all", sides[patients[case]])}
    if not cases:
        there = ", ".join(f"{side} {list(sides.values()).count(side)}" for side in dict.fromkeys(sides.values()))
        raise BadInput(
            f"--split {wanted}: no patient of {cohort.file} is on that side of the run's split (patients: {there}). "
            "Choose another side, or --split all."
        )
    return cohort_exams(saved, cohort, cases), cohort


def _folder(study: Study | None, run: Run, own: bool, options: SegmentApplyOptions) -> Path:
    if options.out is not None:
        return options.out.absolute()
    assert study is not None  # without a study --out is told
    side = "files" if options.files else options.split or ("test" if own else "all")
    return study.segmentations / (options.name or (run.name if side == "test" else f"{run.name}-{side}"))


def _evaluation(study: Study | None, folder: Path, rows: Sequence[Segmentation]) -> str:
    """The command that compares the masks with the truths that there are, on the sides of the split that there are."""
    sides = {row.split for row in rows if row.truth is not None}
    if not sides:
        return ""
    side = "test" if "test" in sides else sides.pop() if len(sides) == 1 else "all"
    words = ["medcl segment evaluate"]
    words += [] if study is not None and folder.parent == study.segmentations else [f"--segmentations {folder}"]
    return " ".join(words if side == "test" else [*words, f"--split {side}"])


def _row(mask: PredictedMask, target: Path, known: KnownPatients, truths: Mapping[str, str]) -> Segmentation:
    names, truth = mask.job.names, truths.get(mask.case)
    return Segmentation(
        case=mask.case,
        patient=names["patient"],
        exam=names["exam"],
        sequence=names["sequence"],
        split=known.split_of(names["patient"], mask.content),
        image=mask.job.source.image,
        truth=Path(truth) if truth else None,
        prediction=target,
    )


def _card(
    run: Run, saved: SavedSegmenter, options: SegmentApplyOptions, left_out: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    from medcl.study.label_classes import classes_to_json

    chosen = ("split", "decoder", "largest_component", "dicom_seg")
    return {
        "run": run.name,
        "run_path": str(run.path.absolute()),
        "weights_sha256": saved.card.get("weights_sha256", ""),
        "classes": classes_to_json(saved.classes),
        "recipe": saved.recipe.to_json(),
        "options": {name: getattr(options, name) for name in chosen},
        "left_out": [{"case": case, "problem": problem} for case, problem in left_out],
    }


def _refuse_bad(
    bad: int,
    told: Sequence[str],
    without_seg: Mapping[str, str],
    images: int,
    folder: Path,
    options: SegmentApplyOptions,
) -> None:
    """Tell what is missing: as an error, or with --skip-bad, where there is anything else, as a note."""
    segs = [f"{case}: {problem}" for case, problem in without_seg.items()]
    if options.skip_bad and bad < images:
        for line in segs:
            log.warning(line)
        return
    lines = [*told, *segs]
    if not lines:
        return
    rest = images - bad
    heading = f"{bad} of {counted(images, 'image')} cannot be segmented"
    heading += f", and {counted(len(segs), 'image')} cannot have a DICOM SEG." if segs else "."
    last = f"{counted(rest, 'mask')} with their table {'is' if rest == 1 else 'are'} in {folder}"
    raise BadInput([heading, *lines, *([f"{last}; --skip-bad ends well so."] if rest else [])])
