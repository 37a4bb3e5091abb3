"""`medcl preprocess`: from the cohort's images to a store of model-ready volumes."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import field_validator, model_validator

from medcl.imaging.recipe import PAPER_SIZE, Recipe
from medcl.study.errors import BadInput, MedclError
from medcl.study.folder import Study
from medcl.study.image_filter import ImageFilter
from medcl.study.plural import counted
from medcl.workflows.clinical_options import ClinicalOptions
from medcl.workflows.ingest import Ingested, IngestOptions, ingest
from medcl.workflows.options import flag, split_words
from medcl.workflows.preprocess_jobs import by_exam, chosen_images, cohort_jobs, notes_on
from medcl.workflows.preprocess_work import left_out, page_of, region_run, warnings_of, worked
from medcl.workflows.verify import Verified, verify

if TYPE_CHECKING:
    from medcl.imaging.stored_volume import StoredVolume
    from medcl.imaging.worker import Outcome
    from medcl.workflows.region_run import RegionRun

SLICE_SIZE = (192, 192)
"""Pixels (y, x) of a slice unless told (ours); a ResNet's last grid is then 6 x 6."""

REGION_WORDS = ("whole", "mask", "centre", "enhancement", "run:NAME")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")

log = logging.getLogger("medcl")


class PreprocessOptions(IngestOptions, ClinicalOptions):
    """Make model-ready volumes of the cohort's images.

    Each image is read in canonical RAS+, cut to its region of interest, resampled, normalised (z-score, clip to +-5,
    rescale to [0, 1], or a Hounsfield window) and cropped or padded with 0 to one size; with --slices, every slice for
    methods in 2D. A stopped run continues where it was; images that have not changed are kept. With --from, a first
    cohort.csv is written instead.
    Research use only.
    """

    section: ClassVar[str] = "preprocess"

    name: str = flag("default", "Name of the volume store, preprocessed/NAME.", metavar="NAME")
    only: list[str] = flag(
        [],
        "Only images whose row in cohort.csv holds this value, such as modality=ct; of several, repeated or with "
        "commas between them, all must hold. Others are treated as if their rows were not there: what the store holds "
        "of them is removed.",
        metavar="COLUMN=VALUE",
    )
    size: tuple[int, int, int] = flag(PAPER_SIZE, "Voxels of every volume, cropped or padded with 0.", metavar="Z Y X")
    spacing: tuple[float, float, float] | None = flag(
        None, "Resample to this spacing in mm; each image keeps its own unless told.", metavar="Z Y X"
    )
    slices: Literal["none", "axial", "acquired"] = flag(
        "none",
        "Make slices for methods in 2D instead of volumes: axial ones, or as each image was acquired (across its "
        "coarsest spacing). Every image keeps all of its slices, at their distance.",
    )
    slice_size: tuple[int, int] = flag(
        SLICE_SIZE, "With --slices, in place of --size: pixels of every slice, cropped or padded with 0.", metavar="Y X"
    )
    slice_spacing: tuple[float, float] | None = flag(
        None,
        "With --slices, in place of --spacing: resample slices to this spacing in mm; each image keeps its own unless "
        "told.",
        metavar="Y X",
    )
    roi: str = flag(
        "whole",
        "Region of interest: the whole image, the labels of the column mask, the point in the columns "
        "centre_x, centre_y, centre_z (RAS mm), the largest part that enhances between the phases of an exam, or what "
        "the run NAME of `medcl segment train` finds.",
        metavar="|".join(REGION_WORDS),
    )
    margin: float | None = flag(
        None,
        "Kept around the region on every side, in mm; 10 around a mask, enhancement or what a run finds and what "
        "--size holds around a centre unless told.",
        metavar="MM",
        ge=0,
    )
    hu_window: tuple[float, float] | None = flag(
        None,
        "Map these Hounsfield units to 0 and 1 instead of normalising each image by its own intensities.",
        metavar="LOW HIGH",
    )
    intensity: Literal["zscore", "percentile"] = flag(
        "zscore",
        "How each image comes to 0..1 by its own intensities: z-score, clip to +-5 deviations, least and greatest to 0 "
        "and 1; or the 1st and 99th percentile to 0 and 1.",
    )
    intensity_over: Literal["image", "exam"] = flag(
        "image",
        "Whose intensities count: each image's own, or those of all images of an exam and modality together, so that "
        "phases stay comparable.",
    )
    n4: bool = flag(False, "Take the coil's bias field out of MR images first, by N4 (needs pip install 'medcl[n4]').")
    workers: int | None = flag(None, "Processes that work side by side; one for each core unless told.", ge=1)
    device: Literal["auto", "cpu", "cuda", "mps"] = flag(
        "auto", "Where the run of --roi run:NAME predicts; auto takes a CUDA GPU where there is one."
    )
    check: bool = flag(
        False,
        "Read everything, clinical tables too, and report every error and everything odd by row, but write nothing.",
    )
    verify: bool = flag(
        False, "Compare the store's files with its manifest and name what is damaged, missing or extra."
    )
    skip_bad: bool = flag(False, "Leave out images that cannot be used and note them in fingerprint.json.")
    overwrite: bool = flag(False, "Make the store again from the start; with --from, replace cohort.csv.")
    quality: bool = flag(True, "Write quality.html beside the volumes: every image at a glance, outliers first.")
    no_ids: bool = flag(False, "Number the patients on quality.html instead of naming them.")

    @field_validator("name")
    @classmethod
    def _plain_name(cls, value: str) -> str:
        if not _NAME.fullmatch(value):
            raise ValueError("a plain folder name of letters, digits, '_', '-' and '.' is expected")
        return value

    @field_validator("only", mode="before")
    @classmethod
    def _conditions(cls, value: Any) -> Any:
        return split_words(value)

    @field_validator("only")
    @classmethod
    def _readable(cls, value: list[str]) -> list[str]:
        try:
            for condition in value:
                ImageFilter.parse(condition)
        except BadInput:
            raise ValueError("COLUMN=VALUE is expected, such as modality=ct") from None
        return value

    @field_validator("roi")
    @classmethod
    def _known_region(cls, value: str) -> str:
        kind, _, name = value.partition(":")
        if value not in REGION_WORDS[:-1] and not (kind == "run" and name.strip()):
            raise ValueError(f"{', '.join(REGION_WORDS[:-1])} or {REGION_WORDS[-1]} is expected")
        return value

    @field_validator("size", "spacing", "slice_size", "slice_spacing")
    @classmethod
    def _positive(cls, value: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if value is not None and not all(0 < part < float("inf") for part in value):
            raise ValueError(f"all {'three' if len(value) == 3 else 'two'} numbers must be above 0")
        return value

    @field_validator("hu_window")
    @classmethod
    def _rising(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and not -float("inf") < value[0] < value[1] < float("inf"):
            raise ValueError("the first number must be below the second")
        return value

    @model_validator(mode="after")
    def _agree(self) -> PreprocessOptions:
        problems = self._mixed_up()
        if self.margin is not None and self.roi == "whole":
            problems.append("--margin is kept around a region: give --roi mask, centre, enhancement or run:NAME too.")
        if self.device != "auto" and not self.roi.startswith("run:"):
            problems.append("--device is where a run finds regions: give --roi run:NAME too, or leave it out.")
        if self.margin == 0 and self.roi == "centre":
            problems.append("--margin 0 around a centre leaves one voxel: give the mm to keep, or leave it out.")
        if self.hu_window is not None and (self.intensity != "zscore" or self.intensity_over != "image"):
            problems.append(
                "--hu-window is the same for all images, whatever their intensities: leave out --intensity and "
                "--intensity-over."
            )
        if self.hu_window is not None and self.n4:
            problems.append("--n4 is for MR, --hu-window for CT: leave one of them out.")
        if self.check and (self.skip_bad or self.overwrite):
            problems.append("--check writes nothing: leave out --skip-bad and --overwrite.")
        if self.verify and (self.check or self.skip_bad or self.overwrite or self.from_ is not None):
            problems.append(
                "--verify reads a store and writes nothing: leave out --check, --skip-bad, --overwrite, --from."
            )
        if self.no_ids and not self.quality:
            problems.append("--no-ids is about the page that --no-quality leaves out: leave one of them out.")
        if self.from_ is not None and self.check:
            problems.append("--from writes a cohort.csv, --check writes nothing: leave one of them out.")
        if self.from_ is None and self.pseudonymize:
            problems.append("--pseudonymize names the patients of a new cohort.csv: give --from DIR too.")
        if problems:
            raise ValueError(" ".join(problems))
        return self

    @classmethod
    def resolve(cls, given: Mapping[str, Any]) -> Self:
        """As for every command; what was given itself must not be without effect because of what medcl.toml holds.

        Raises:
            BadInput: a size of volumes was given, and medcl.toml makes slices; or images were chosen where all count.
        """
        options = super().resolve(given)
        whole = "--from" if options.from_ is not None else "--verify" if options.verify else ""
        if whole and given.get("only"):
            raise BadInput(f"--only chooses rows of cohort.csv to prepare, which {whole} does not do: leave it out.")
        if options.slices == "none" or "slices" in given:
            return options
        idle = [name for name in ("size", "spacing") if name in given]
        if idle:
            raise BadInput(
                f'--{name} Z Y X is for volumes, and medcl.toml makes slices (slices = "{options.slices}"): add '
                f"--slices none for volumes, or give --slice-{name} Y X."
                for name in idle
            )
        return options

    def _mixed_up(self) -> list[str]:
        """Sizes of volumes given for slices, or of slices for volumes.

        medcl.toml may hold both for two stores of a study, so only what leaves in doubt what is wanted is refused.
        """
        given = self.model_fields_set
        if self.slices != "none":
            return [
                f"--{name} Z Y X is for volumes: with --slices, give --slice-{name} Y X."
                for name in ("size", "spacing")
                if name in given and f"slice_{name}" not in given
            ]
        return [
            f"--slice-{name} is for slices: give --slices axial or acquired too, or --{name} Z Y X for volumes."
            for name in ("size", "spacing")
            if f"slice_{name}" in given and "slices" not in given
        ]

    def recipe(self) -> Recipe:
        """The options that decide what the volumes, or slices, hold; `RegionRun.recipe` adds a run's weights."""
        chosen = {field.name: getattr(self, field.name) for field in fields(Recipe) if field.name != "roi_weights"}
        if self.slices == "none":
            return Recipe(**{**chosen, "slices": None, "slice_spacing": None})
        return Recipe(**{**chosen, "size": (1, *self.slice_size), "spacing": None})


@dataclass(frozen=True)
class Preprocessed:
    """What came out.

    Attributes:
        folder: the store; None after --check.
        images: that can be used.
        prepared, kept: how many of them were prepared now, or were there already.
        left_out: (case, problem) of the others, with --skip-bad.
        patients: how many the images are of.
        size: of the volumes, z y x; 1 y x of slices.
        seconds: it took.
        warnings: with --check, what is odd about images and tables but does not stop preprocessing.
        page: the quality page; None without.
        slices: how many in all; None of volumes.
    """

    folder: Path | None
    images: int
    prepared: int
    kept: int
    left_out: list[tuple[str, str]]
    patients: int
    size: tuple[int, int, int]
    seconds: float
    warnings: list[str] = field(default_factory=list)
    page: Path | None = None
    slices: int | None = None


def preprocess_or_ingest(options: PreprocessOptions) -> Preprocessed | Ingested | Verified:
    """What the command does: write a first cohort with --from, else prepare the images of the cohort that is there.

    Raises:
        BadInput, RunFailed: as `ingest`, `verify` and `preprocess`.
    """
    if options.verify:
        return verify(Study.find(options.study), options.name, options.workers)
    if options.from_ is None:
        return preprocess(options)
    return ingest(options, workers=options.workers, overwrite=options.overwrite)


def preprocess(options: PreprocessOptions) -> Preprocessed:
    """Prepare all images of a study, or report on them with --check.

    Raises:
        BadInput: the table or images cannot be used (all are named; what could be prepared is kept), or the store was
            made with other options.
        RunFailed: the disk is full, or a worker process was ended.
    """
    from medcl.imaging.bias_field import require_simpleitk
    from medcl.imaging.store_writer import StoreWriter, check_folder
    from medcl.study.cohort import read_cohort
    from medcl.workflows.progress import progress

    started = time.monotonic()
    study = Study.find(options.study)
    if options.n4:
        require_simpleitk()
    regions = region_run(study, options.roi, options.device)
    recipe = regions.recipe(options.recipe()) if regions else options.recipe()
    if options.check:
        return _checked(study, options, recipe, regions, started)
    folder = study.preprocessed(options.name)
    check_folder(folder, recipe, options.overwrite)
    cohort = read_cohort(study.cohort_file, need_images=False)  # missing files are told with the images' other faults
    for note in cohort.notes:
        log.info(note)
    cohort = chosen_images(cohort, options.only)
    writer = StoreWriter.begin(folder, recipe, options.overwrite)
    outcomes: dict[str, Outcome] = {}
    try:
        jobs = cohort_jobs(cohort, recipe, writer)
        with progress("Preprocessing", len(jobs)) as step:
            for job, outcome in worked(by_exam(jobs, cohort, recipe), options.workers, writer, regions):
                outcomes[job.names["case"]] = outcome
                if outcome.entry is not None and outcome.entry != job.known:
                    writer.add(outcome.entry)
                step(1, job.names["case"])
        bad = left_out(cohort, outcomes, options.skip_bad)
    except MedclError:
        writer.abandon()
        raise
    entries = [entry for job in jobs if (entry := outcomes[job.names["case"]].entry) is not None]
    for note in [*warnings_of(outcomes), *notes_on(entries, recipe, regions)]:
        log.info(note)
    removed = writer.finish(entries, [{"case": case, "problem": problem} for case, problem in bad], options.only)
    if removed:
        was = "was" if len(removed) == 1 else "were"
        why = " or do not fit --only" if options.only else ""
        log.info(f"{counted(len(removed), 'file')} of images that are no longer in the cohort{why} {was} removed.")
    kept = sum(outcome.status == "kept" for outcome in outcomes.values())
    seconds = time.monotonic() - started  # of the images; the page is beside
    page = page_of(folder, cohort, bad, options.quality, options.no_ids)
    return Preprocessed(
        folder=folder,
        images=len(entries),
        prepared=len(entries) - kept,
        kept=kept,
        left_out=bad,
        patients=len({entry.patient for entry in entries}),
        size=recipe.size,
        seconds=seconds,
        page=page,
        slices=_slices(entries, recipe),
    )


def _checked(
    study: Study, options: PreprocessOptions, recipe: Recipe, regions: RegionRun | None, started: float
) -> Preprocessed:
    """What --check does instead."""
    from medcl.workflows.integrity import check_cohort

    entries, warnings = check_cohort(study, options, recipe, options.workers, regions, options.only)
    return Preprocessed(
        folder=None,
        images=len(entries),
        prepared=0,
        kept=0,
        left_out=[],
        patients=len({entry.patient for entry in entries}),
        size=recipe.size,
        seconds=time.monotonic() - started,
        warnings=warnings,
        slices=_slices(entries, recipe),
    )


def _slices(entries: Sequence[StoredVolume], recipe: Recipe) -> int | None:
    return None if recipe.slices is None else sum(entry.shape[0] for entry in entries)
