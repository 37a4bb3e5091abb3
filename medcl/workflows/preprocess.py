"""`medcl preprocess`: from the cohort's images to a store of model-ready volumes."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import field_validator, model_validator

from medcl.imaging.recipe import PAPER_SIZE, Recipe
from medcl.study.errors import BadInput, MedclError
from medcl.study.folder import Study
from medcl.study.plural import counted
from medcl.workflows.ingest import Ingested, IngestOptions, ingest
from medcl.workflows.options import flag

if TYPE_CHECKING:
    from medcl.imaging.store_writer import StoreWriter
    from medcl.imaging.stored_volume import StoredVolume
    from medcl.imaging.worker import Job, Outcome
    from medcl.study.cohort import Cohort

CENTRE_COLUMNS = ("centre_x", "centre_y", "centre_z")
DIFFERENT_SPACING = 1.05
"""Ratio of the widest to the narrowest spacing of a cohort from which on the user is told."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")

log = logging.getLogger("medcl")


class PreprocessOptions(IngestOptions):
    """Make model-ready volumes of the cohort's images.

    Each image is read in canonical RAS+, cut to its region of interest, resampled, normalised (z-score, clip to +-5,
    rescale to [0, 1], or a Hounsfield window) and cropped or padded with 0 to one size. A stopped run continues where
    it was; images that have not changed are kept. With --from, a first cohort.csv is written instead.
    Research use only.
    """

    section: ClassVar[str] = "preprocess"

    name: str = flag("default", "Name of the volume store, preprocessed/NAME.", metavar="NAME")
    size: tuple[int, int, int] = flag(PAPER_SIZE, "Voxels of every volume, cropped or padded with 0.", metavar="Z Y X")
    spacing: tuple[float, float, float] | None = flag(
        None, "Resample to this spacing in mm; each image keeps its own unless told.", metavar="Z Y X"
    )
    roi: Literal["whole", "mask", "centre"] = flag(
        "whole",
        "Region of interest: the whole image, the labels of the column mask, or the point in the columns "
        "centre_x, centre_y, centre_z (RAS mm).",
    )
    margin: float | None = flag(
        None,
        "Kept around the region on every side, in mm; 10 around a mask and what --size holds around a centre "
        "unless told.",
        metavar="MM",
        ge=0,
    )
    hu_window: tuple[float, float] | None = flag(
        None,
        "Map these Hounsfield units to 0 and 1 instead of normalising each image by its own intensities.",
        metavar="LOW HIGH",
    )
    workers: int | None = flag(None, "Processes that work side by side; one for each core unless told.", ge=1)
    check: bool = flag(False, "Read everything and report every problem, but write nothing.")
    skip_bad: bool = flag(False, "Leave out images that cannot be used and note them in fingerprint.json.")
    overwrite: bool = flag(False, "Make the store again from the start; with --from, replace cohort.csv.")

    @field_validator("name")
    @classmethod
    def _plain_name(cls, value: str) -> str:
        if not _NAME.fullmatch(value):
            raise ValueError("a plain folder name of letters, digits, '_', '-' and '.' is expected")
        return value

    @field_validator("size", "spacing")
    @classmethod
    def _positive(cls, value: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if value is not None and not all(0 < part < float("inf") for part in value):
            raise ValueError("all three numbers must be above 0")
        return value

    @field_validator("hu_window")
    @classmethod
    def _rising(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and not -float("inf") < value[0] < value[1] < float("inf"):
            raise ValueError("the first number must be below the second")
        return value

    @model_validator(mode="after")
    def _agree(self) -> PreprocessOptions:
        problems = []
        if self.margin is not None and self.roi == "whole":
            problems.append("--margin is kept around a region: give --roi mask or --roi centre too.")
        if self.margin == 0 and self.roi == "centre":
            problems.append("--margin 0 around a centre leaves one voxel: give the mm to keep, or leave it out.")
        if self.check and (self.skip_bad or self.overwrite):
            problems.append("--check writes nothing: leave out --skip-bad and --overwrite.")
        if self.from_ is not None and self.check:
            problems.append("--from writes a cohort.csv, --check writes nothing: leave one of them out.")
        if self.from_ is None and self.pseudonymize:
            problems.append("--pseudonymize names the patients of a new cohort.csv: give --from DIR too.")
        if problems:
            raise ValueError(" ".join(problems))
        return self

    def recipe(self) -> Recipe:
        """The options that decide what the volumes hold."""
        return Recipe(self.size, self.spacing, self.roi, self.margin, self.hu_window)


@dataclass(frozen=True)
class Preprocessed:
    """What came out.

    Attributes:
        folder: the store; None after --check.
        images: that can be used.
        prepared, kept: how many of them were prepared now, or were there already.
        left_out: (case, problem) of the others, with --skip-bad.
        patients: how many the images are of.
        size: of the volumes, z y x.
        seconds: it took.
    """

    folder: Path | None
    images: int
    prepared: int
    kept: int
    left_out: list[tuple[str, str]]
    patients: int
    size: tuple[int, int, int]
    seconds: float


def preprocess_or_ingest(options: PreprocessOptions) -> Preprocessed | Ingested:
    """What the command does: write a first cohort with --from, else prepare the images of the cohort that is there.

    Raises:
        BadInput, RunFailed: as `ingest` and `preprocess`.
    """
    if options.from_ is None:
        return preprocess(options)
    return ingest(options, workers=options.workers, overwrite=options.overwrite)


def preprocess(options: PreprocessOptions) -> Preprocessed:
    """Prepare all images of a study.

    Raises:
        BadInput: the table or images cannot be used (all are named; what could be prepared is kept), or the store was
            made with other options.
        RunFailed: the disk is full, or a worker process was ended.
    """
    from medcl.imaging.store_writer import StoreWriter, check_folder
    from medcl.study.cohort import read_cohort
    from medcl.workflows.progress import progress

    started = time.monotonic()
    study = Study.find(options.study)
    folder, recipe = study.preprocessed(options.name), options.recipe()
    check_folder(folder, recipe, options.overwrite or options.check)
    cohort = read_cohort(study.cohort_file, need_images=False)  # missing files are told with the images' other faults
    for note in cohort.notes:
        log.info(note)
    if recipe.roi == "mask" and not (cohort.frame["mask"] != "").any():
        raise BadInput(
            f"--roi mask: {study.cohort_file} has no column mask with values. Add the label maps' paths, or use "
            "--roi whole or --roi centre."
        )
    writer = None if options.check else StoreWriter.begin(folder, recipe, options.overwrite)
    jobs = _jobs(cohort, recipe, writer)
    outcomes: dict[str, Outcome] = {}
    try:
        with progress("Checking" if options.check else "Preprocessing", len(jobs)) as step:
            for job, outcome in _worked(jobs, options.workers, writer):
                outcomes[job.names["case"]] = outcome
                if writer is not None and outcome.entry is not None and outcome.entry != job.known:
                    writer.add(outcome.entry)
                step(1, job.names["case"])
        left_out = _left_out(cohort, outcomes, options)
    except MedclError:
        if writer is not None:
            writer.abandon()
        raise
    entries = [entry for job in jobs if (entry := outcomes[job.names["case"]].entry) is not None]
    for note in _notes(entries, recipe):
        log.info(note)
    if writer is not None:
        removed = writer.finish(entries, [{"case": case, "problem": problem} for case, problem in left_out])
        if removed:
            was = "was" if len(removed) == 1 else "were"
            log.info(f"{counted(len(removed), 'file')} of images that are no longer in the cohort {was} removed.")
    kept = sum(outcome.status == "kept" for outcome in outcomes.values())
    return Preprocessed(
        folder=folder if writer is not None else None,
        images=len(entries),
        prepared=len(entries) - kept,
        kept=kept,
        left_out=left_out,
        patients=len({entry.patient for entry in entries}),
        size=recipe.size,
        seconds=time.monotonic() - started,
    )


def _worked(jobs: Sequence[Job], workers: int | None, writer: StoreWriter | None) -> Iterator[tuple[Job, Outcome]]:
    """Each job with its outcome, when its files are safe on the disk; images are prepared while the disk is awaited."""
    from medcl.imaging.worker import work
    from medcl.workflows.pool import behind, run_jobs, usable_cores

    def settle(done: tuple[Job, Outcome]) -> None:
        for unsettled in done[1].unsettled:
            unsettled.settle()

    try:
        with closing(run_jobs(work, jobs, workers)) as results:  # closed before what nobody settled is swept
            yield from behind(settle, results, threads=workers or usable_cores())
    finally:
        if writer is not None:
            writer.sweep()


def _jobs(cohort: Cohort, recipe: Recipe, writer: StoreWriter | None) -> list[Job]:
    """One job for each row of the cohort."""
    from medcl.imaging.source import Source
    from medcl.imaging.stored_volume import NAMES
    from medcl.imaging.worker import Job

    centres = _centres(cohort) if recipe.roi == "centre" else {}
    jobs = []
    for row in cohort.frame.to_dict("records"):
        case = row["case"]
        jobs.append(
            Job(
                names={name: row[name] for name in NAMES},
                source=Source(Path(row["image"]), Path(row["mask"]) if row["mask"] else None, centres.get(case)),
                recipe=recipe,
                folder=writer.path if writer else None,
                known=writer.known.get(case) if writer else None,
                mark=writer.mark if writer else "",
            )
        )
    return jobs


def _centres(cohort: Cohort) -> dict[str, tuple[float, float, float]]:
    """The points of --roi centre by case, RAS mm; rows where one of the three is missing are left out."""
    problems, columns = [], []
    for name in CENTRE_COLUMNS:
        try:
            variable = cohort.variable(name)
        except BadInput as error:
            problems += error.problems
            continue
        if variable.kind != "numeric":
            problems.append(f"{cohort.file}: column '{variable.header}' holds words, expected RAS mm.")
        columns.append(variable.values)
    if problems:
        raise BadInput([*problems, "--roi centre takes the point from the columns centre_x, centre_y, centre_z."])
    rows = zip(cohort.cases(), *columns, strict=True)
    return {case: (float(x), float(y), float(z)) for case, x, y, z in rows if x == x and y == y and z == z}


def _left_out(cohort: Cohort, outcomes: dict[str, Outcome], options: PreprocessOptions) -> list[tuple[str, str]]:
    """The images that cannot be used as (case, problem); refused unless --skip-bad."""
    bad = {case: outcome.problems for case, outcome in outcomes.items() if outcome.status == "bad"}
    if not bad:
        return []
    rows = dict(zip(cohort.cases(), cohort.frame["row"], strict=True))
    ordered = [case for case in cohort.cases() if case in bad]
    if options.skip_bad and len(bad) < len(outcomes):
        return [(case, " ".join(bad[case])) for case in ordered]
    usable = len(outcomes) - len(bad)
    heading = f"{len(bad)} of {counted(len(outcomes), 'image')} of {cohort.file} cannot be used."
    lines = [f"{case} (row {rows[case]}): {problem}" for case in ordered for problem in bad[case]]
    if options.check or not usable:
        raise BadInput([heading, *lines])
    raise BadInput(
        [
            heading,
            *lines,
            f"The other {f'{usable} are' if usable > 1 else 'one is'} prepared and kept: correct the files and run "
            "again to continue, "
            "or leave these images out with --skip-bad.",
        ]
    )


def _notes(entries: Sequence[StoredVolume], recipe: Recipe) -> list[str]:
    """What the user should know about images that can be used."""
    notes = []
    same: dict[str, list[str]] = {}
    for entry in entries:
        same.setdefault(entry.content, []).append(entry.case)
    twice = [" = ".join(cases) for cases in same.values() if len(cases) > 1]
    if twice:
        notes.append(f"The same voxels stand under several names: {_some(twice)}.")
    cut = [e for e in entries if any(n > m for n, m in zip(e.region_shape, e.shape, strict=True))]
    if cut:
        larger, was = ("is larger than", "was") if len(cut) == 1 else ("are larger than", "were")
        largest = [max(e.region_shape[axis] for e in cut) for axis in range(3)]
        notes.append(
            f"{len(cut)} of {counted(len(entries), 'image')} {larger} --size {_words(recipe.size)} and {was} cut "
            f"(up to {_words(largest)} voxels, z y x)."
        )
    if recipe.spacing is None and len(entries) > 1:
        spans = [(min(axis), max(axis)) for axis in zip(*(e.source_spacing for e in entries), strict=True)]
        if any(high > low * DIFFERENT_SPACING for low, high in spans):
            shown = ", ".join(f"{name} {low:.3g}-{high:.3g}" for name, (low, high) in zip("zyx", spans, strict=True))
            notes.append(f"Voxel spacings differ between images ({shown} mm): --spacing Z Y X makes them one.")
    return notes


def _words(numbers: Iterable[int]) -> str:
    return " ".join(map(str, numbers))


def _some(texts: Sequence[str], most: int = 5) -> str:
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return "; ".join(texts[:most]) + more
