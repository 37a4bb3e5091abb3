"""`medcl segment evaluate`: predicted masks beside the truth, in numbers and on a page."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from pydantic import field_validator, model_validator

from medcl.study.errors import BadInput
from medcl.study.folder import Study
from medcl.study.plural import counted
from medcl.study.segmentations import METRICS_FILE, PAGE_FILE, SUMMARY_FILE
from medcl.workflows.options import Options, flag, split_words

if TYPE_CHECKING:
    from medcl.evaluation.segmentation_summary import ClassSummary
    from medcl.study.label_classes import LabelClass
    from medcl.workflows.segment_evaluate_cases import Compared
    from medcl.workflows.segment_evaluate_jobs import Looked, Measured

_TEST = "test"
_MOST_PROBLEMS = 20

Job = TypeVar("Job")
Result = TypeVar("Result")

log = logging.getLogger("medcl")


class SegmentEvaluateOptions(Options):
    """Compare predicted masks with the truth: Dice, ASSD, directed ASD, HD and HD95 of every case and class.

    Reads segmentations/NAME of a study, or two folders of NIfTI masks with equal names (--truth, --prediction), which
    needs no study. Writes metrics.csv, metrics.json and the page evaluation.html. Research use only.
    """

    section: ClassVar[str] = "segment.evaluate"

    segmentations: str | None = flag(
        None, "What `medcl segment apply` wrote: a name in segmentations/ or a folder; the newest unless told."
    )
    split: Literal["train", "val", "test", "new", "all"] | None = flag(
        None, "Score the patients of this side of the run's split; test unless told."
    )
    truth: Path | None = flag(None, "Folder of true masks, with --prediction.", metavar="DIR")
    prediction: Path | None = flag(None, "Folder of predicted masks named as the true ones.", metavar="DIR")
    images: Path | None = flag(
        None,
        "Folder of images named as the masks, shown behind them; those of cohort.csv unless told.",
        metavar="DIR",
    )
    classes: list[str] = flag(
        [],
        "Score these classes only, by name or value. Where medcl.toml declares none, 1=heart,2=liver names them.",
    )
    page: bool = flag(True, "Draw evaluation.html.")
    no_ids: bool = flag(False, "Number the patients on the page instead of naming them.")
    seed: int = flag(0, "Of the bootstrap that gives the intervals.", ge=0)
    workers: int | None = flag(None, "Processes that work side by side; one for each core unless told.", ge=1)
    name: str | None = flag(
        None,
        "Folder in segmentations/ for the results; that of the masks unless told (evaluated-FOLDER with --prediction).",
    )
    overwrite: bool = flag(False, "Replace results that exist.")

    @field_validator("classes", mode="before")
    @classmethod
    def _words(cls, value: Any) -> Any:
        return split_words(value)

    @model_validator(mode="after")
    def _fits_together(self) -> SegmentEvaluateOptions:
        if (self.truth is None) != (self.prediction is None):
            raise ValueError(
                "--truth and --prediction belong together: give both folders, or none for --segmentations."
            )
        if self.truth is not None and (self.segmentations or self.split):
            raise ValueError("--segmentations and --split do not go with --truth and --prediction.")
        if self.images is not None and self.truth is None:
            raise ValueError("--images goes with --truth and --prediction only; segmentations know their images.")
        if self.name is not None and (not self.name or Path(self.name).name != self.name or self.name.startswith(".")):
            raise ValueError(f"--name {self.name}: give a plain folder name.")
        return self


@dataclass(frozen=True)
class SegmentEvaluated:
    """What was found and written.

    Attributes:
        folder: of the files.
        page: None where none was wanted.
        cases, patients: how many were compared.
        summary: of each class, and last of the mean over them.
        notes: what a reader must know.
    """

    folder: Path
    page: Path | None
    cases: int
    patients: int
    summary: list[ClassSummary]
    notes: list[str]


def segment_evaluate(options: SegmentEvaluateOptions) -> SegmentEvaluated:
    """Score every case in parallel processes and write the results.

    Raises:
        BadInput: there is nothing to compare, masks cannot be read or are on different grids, values are no class, or
            the results exist; everything that is wrong with the masks is told together.
        RunFailed: the disk is full or cannot be written to.
    """
    from medcl.evaluation.segmentation_summary import summarise
    from medcl.workflows.segment_evaluate_writing import Evaluation, patient_of, write_evaluation

    study, compared = _compared(options)
    folder = _folder(study, compared, options)
    for note in compared.notes:
        log.info(note)
    classes = _checked(compared, options)
    measured = _measured(compared, classes, options)
    patients = [patient_of(pair) for pair in compared.pairs]
    named = [(each.value, each.name) for each in classes]
    summary = summarise([each.scores for each in measured], patients, named, seed=options.seed)
    found = Evaluation(compared, _split(options), classes, measured, summary, options.seed)
    write_evaluation(folder, found, no_ids=options.no_ids, page=options.page)
    page = folder / PAGE_FILE if options.page else None
    return SegmentEvaluated(folder, page, len(measured), len(set(patients)), summary, compared.notes)


def _split(options: SegmentEvaluateOptions) -> str:
    return "" if options.truth is not None else options.split or _TEST


def _compared(options: SegmentEvaluateOptions) -> tuple[Study, Compared]:
    from medcl.workflows.segment_evaluate_cases import from_folders, from_segmentations, study_or_none

    if options.truth is None or options.prediction is None:
        study = Study.find(options.study) if _needs_study(options) else _study_or_here(options)
        return study, from_segmentations(study, options.segmentations, _split(options))
    inside = study_or_none(options.study)
    compared = from_folders(inside, options.truth, options.prediction, options.images)
    return _study_or_here(options), compared


def _needs_study(options: SegmentEvaluateOptions) -> bool:
    """A folder of segmentations that is named by its path tells everything itself."""
    return options.segmentations is None or not Path(options.segmentations).is_dir()


def _study_or_here(options: SegmentEvaluateOptions) -> Study:
    """The study, or outside of any the current folder, below which results may go."""
    from medcl.workflows.segment_evaluate_cases import study_or_none

    return study_or_none(options.study) or Study(Path.cwd())


def _folder(study: Study, compared: Compared, options: SegmentEvaluateOptions) -> Path:
    """Where the results go, which must not be there yet."""
    folder = compared.folder
    if options.name or folder is None:
        folder = study.segmentations / (options.name or f"evaluated-{compared.name}")
    there = [file for file in (METRICS_FILE, SUMMARY_FILE, PAGE_FILE) if (folder / file).exists()]
    if there and not options.overwrite:
        raise BadInput(
            f"{folder} holds results already ({', '.join(there)}). Replace them with --overwrite, or write to another "
            "folder with --name."
        )
    return folder


def _checked(compared: Compared, options: SegmentEvaluateOptions) -> list[LabelClass]:
    """Look at all masks; the classes that are scored."""
    from medcl.workflows.segment_evaluate_cases import scored_classes
    from medcl.workflows.segment_evaluate_jobs import look, unknown_values

    looked = _all(look, compared.pairs, options.workers, "Checking masks")
    pairs = list(zip(compared.pairs, looked, strict=True))
    problems = [problem for each in looked for problem in each.problems]
    if not problems:
        known, scored = scored_classes(options.classes, compared, _truth_values(looked))
        problems = unknown_values(pairs, known, compared.declared_in)
    if problems:
        more = len(problems) - _MOST_PROBLEMS
        raise BadInput([*problems[:_MOST_PROBLEMS], *([f"and {counted(more, 'more problem')}."] if more > 0 else [])])
    return scored


def _truth_values(looked: Sequence[Looked]) -> set[int]:
    return {value for each in looked for value in each.truth if value}


def _measured(compared: Compared, classes: Sequence[LabelClass], options: SegmentEvaluateOptions) -> list[Measured]:
    from medcl.workflows.segment_evaluate_jobs import MeasureJob, measure

    values = tuple(each.value for each in classes)
    jobs = [MeasureJob(pair, values, options.page) for pair in compared.pairs]
    return _all(measure, jobs, options.workers, "Measuring")


def _all(function: Callable[[Job], Result], jobs: Sequence[Job], workers: int | None, title: str) -> list[Result]:
    """Run the jobs in several processes; the results in the jobs' order."""
    from medcl.workflows.pool import run_jobs
    from medcl.workflows.progress import progress

    found: dict[Job, Result] = {}
    with progress(title, len(jobs), unit="cases") as step, closing(run_jobs(function, jobs, workers)) as results:
        for job, result in results:
            found[job] = result
            step()
    return [found[job] for job in jobs]
