"""The jobs of `medcl preprocess` at work in several processes, and what is said of those that end badly or oddly."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medcl.study.errors import BadInput
from medcl.study.folder import Study
from medcl.study.plural import counted
from medcl.workflows.quality import write_quality_page

if TYPE_CHECKING:
    from medcl.imaging.store_writer import StoreWriter
    from medcl.imaging.worker import Job, Outcome
    from medcl.study.cohort import Cohort
    from medcl.workflows.region_run import RegionRun

SHOWN_WARNINGS = 5

log = logging.getLogger("medcl")


@dataclass(frozen=True)
class Located:
    """Exams whose regions a run finds when their turn comes, so that one that is stopped loses little.

    Attributes:
        exams: jobs that are done together.
        run: that finds the regions.
    """

    exams: Sequence[list[Job]]
    run: RegionRun

    def __len__(self) -> int:
        return len(self.exams)

    def __iter__(self) -> Iterator[list[Job]]:
        return self.run.located(self.exams)


def worked(
    exams: Sequence[list[Job]], workers: int | None, writer: StoreWriter, regions: RegionRun | None = None
) -> Iterator[tuple[Job, Outcome]]:
    """Yield each job with its outcome, when its files are safe on the disk; images are prepared while that is awaited.

    Args:
        exams: jobs that are done together.
        workers: processes; one for each core unless told.
        writer: settles what they write.
        regions: finds the regions of interest of what is not kept, in this process.
    """
    from medcl.imaging.worker import work_together
    from medcl.workflows.pool import behind, run_jobs, usable_cores

    def settle(done: tuple[list[Job], list[Outcome]]) -> None:
        for outcome in done[1]:
            for unsettled in outcome.unsettled:
                unsettled.settle()

    if regions is not None:
        kept = {exam[0].names["case"]: outcomes for exam, outcomes in _kept(exams, workers)}
        for exam in exams:
            yield from zip(exam, kept.get(exam[0].names["case"], ()), strict=False)
        exams = [exam for exam in exams if exam[0].names["case"] not in kept]
    jobs = exams if regions is None else Located(exams, regions)
    try:
        with closing(run_jobs(work_together, jobs, workers)) as results:  # closed before what nobody settled is swept
            for exam, outcomes in behind(settle, results, threads=workers or usable_cores()):
                yield from zip(exam, outcomes, strict=True)
    finally:
        writer.sweep()


def _kept(exams: Sequence[list[Job]], workers: int | None) -> Iterator[tuple[list[Job], list[Outcome]]]:
    """The exams that are stored as they are now, with their outcomes: no region needs to be found for them."""
    from medcl.imaging.worker import kept_together
    from medcl.workflows.pool import run_jobs

    known = [exam for exam in exams if all(job.known is not None for job in exam)]
    for exam, outcomes in run_jobs(kept_together, known, workers):
        if outcomes:
            yield exam, outcomes


def warnings_of(outcomes: Mapping[str, Outcome]) -> list[str]:
    """What is odd about the images that were prepared now: the first few, and how to see all."""
    found = [f"{case}: {warning}" for case, outcome in outcomes.items() for warning in outcome.warnings]
    if len(found) > SHOWN_WARNINGS:
        more = f"{len(found) - SHOWN_WARNINGS} more warnings: `medcl preprocess --check` tells all."
        found[SHOWN_WARNINGS:] = [more]
    return found


def left_out(cohort: Cohort, outcomes: Mapping[str, Outcome], skip_bad: bool) -> list[tuple[str, str]]:
    """The images that cannot be used as (case, problem).

    Raises:
        BadInput: there are any, without `skip_bad` or where no other is left.
    """
    bad = {case: outcome.problems for case, outcome in outcomes.items() if outcome.status == "bad"}
    if not bad:
        return []
    rows = dict(zip(cohort.cases(), cohort.frame["row"], strict=True))
    ordered = [case for case in cohort.cases() if case in bad]
    if skip_bad and len(bad) < len(outcomes):
        return [(case, " ".join(bad[case])) for case in ordered]
    usable = len(outcomes) - len(bad)
    heading = f"{len(bad)} of {counted(len(outcomes), 'image')} of {cohort.file} cannot be used."
    lines = [f"{case} (row {rows[case]}): {problem}" for case in ordered for problem in bad[case]]
    if not usable:
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


def page_of(
    folder: Path, cohort: Cohort, bad: Sequence[tuple[str, str]], quality: bool = True, no_ids: bool = False
) -> Path | None:
    """The quality page, made anew; without `quality` an older one goes, since it may show other images."""
    if quality:
        return write_quality_page(folder, cohort, left_out=bad, no_ids=no_ids)
    from medcl.imaging.store import PAGE

    if (folder / PAGE).exists():
        (folder / PAGE).unlink()
        log.info(f"{folder / PAGE} of an earlier run was removed (--no-quality).")
    return None


def region_run(study: Study, roi: str, device: str) -> RegionRun | None:
    """The run of --roi run:NAME; None for other regions, which need no network."""
    kind, _, name = roi.partition(":")
    if kind != "run":
        return None
    from medcl.training.device import resolve_device
    from medcl.workflows.region_run import open_region_run

    return open_region_run(study, name, resolve_device(device))
