"""`medcl preprocess --check`: everything that is wrong or odd about a cohort's images and tables, in one report."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from medcl.imaging.recipe import Recipe
from medcl.study.errors import BadInput
from medcl.study.folder import Study
from medcl.study.plural import counted
from medcl.workflows.clinical_options import ClinicalOptions, read_options_cohort
from medcl.workflows.preprocess_jobs import by_exam, chosen_images, cohort_jobs, notes_on
from medcl.workflows.preprocess_work import Located

if TYPE_CHECKING:
    from medcl.imaging.check import Checked
    from medcl.imaging.stored_volume import StoredVolume
    from medcl.study.cohort import Cohort
    from medcl.workflows.region_run import RegionRun

FEWEST_TO_COMPARE = 10
"""Images of one sequence from which on the one that runs the other way round stands out."""

LARGEST_MINORITY = 0.1
"""Share of them up to which they are the odd ones."""

log = logging.getLogger("medcl")


def check_cohort(
    study: Study,
    options: ClinicalOptions,
    recipe: Recipe,
    workers: int | None,
    regions: RegionRun | None = None,
    only: Sequence[str] = (),
) -> tuple[list[StoredVolume], list[str]]:
    """Look at images, masks and clinical values.

    Args:
        study: the study.
        options: the clinical tables beside those of the study.
        recipe: by which the images would be prepared.
        workers: processes; one for each core unless told.
        regions: the run that finds the regions of interest, where the recipe is of one.
        only: conditions that rows must meet for their images and masks to be looked at; tables are read whole.

    Returns:
        What the manifest would hold, and warnings: those of rows in the order of the table, then those of tables.

    Raises:
        BadInput: there are errors; the warnings stand below them.
    """
    from medcl.imaging.check import check_together
    from medcl.study.cohort import read_cohort
    from medcl.study.plausible import implausible_values
    from medcl.workflows.pool import run_jobs
    from medcl.workflows.progress import progress

    whole = read_cohort(study.cohort_file, need_images=False)  # what is wrong here leaves no images to look at
    chosen = chosen_images(whole, only)  # by the columns of cohort.csv, as when they are prepared
    of_tables: list[str] = []
    try:
        whole = read_options_cohort(study, options)
    except BadInput as error:
        of_tables = error.problems
    cohort = chosen if only else whole
    jobs = cohort_jobs(cohort, recipe, None)
    exams = by_exam(jobs, cohort, recipe)
    found: dict[str, Checked] = {}
    with progress("Checking", len(jobs)) as step:
        for exam, several in run_jobs(check_together, Located(exams, regions) if regions else exams, workers):
            for job, checked in zip(exam, several, strict=True):
                found[job.names["case"]] = checked
                step(1, job.names["case"])
    entries = [entry for job in jobs if (entry := found[job.names["case"]].entry) is not None]
    warnings = [
        *_by_row(cohort, {case: [*checked.warnings] for case, checked in found.items()}, _compared(cohort, found)),
        *implausible_values(whole),
    ]
    for note in [*whole.notes, *notes_on(entries, recipe, regions)]:
        log.info(note)
    errors = _by_row(cohort, {case: [*checked.errors] for case, checked in found.items()}, {})
    if errors or of_tables:
        raise BadInput(_report(cohort, errors, of_tables, len(jobs) - len(entries), warnings))
    return entries, warnings


def _report(cohort: Cohort, errors: list[str], of_tables: list[str], bad: int, warnings: list[str]) -> list[str]:
    total = len(errors) + len(of_tables)
    told = f"{bad} of {counted(len(cohort), 'image')} of {cohort.file} cannot be used" if bad else "Tables are wrong"
    lines = [f"{told}; {counted(total, 'error')}, {counted(len(warnings), 'warning')}:", *errors, *of_tables]
    if warnings:
        lines += ["Warnings, which do not stop preprocessing:", *warnings]
    return lines


def _by_row(cohort: Cohort, found: Mapping[str, list[str]], more: Mapping[str, list[str]]) -> list[str]:
    """One line each, in the order of the table: "P1_M3 (row 4): ..."."""
    rows = zip(cohort.cases(), cohort.frame["row"], strict=True)
    return [
        f"{case} (row {row}): {sentence}"
        for case, row in rows
        for sentence in [*found.get(case, []), *more.get(case, [])]
    ]


def _compared(cohort: Cohort, found: Mapping[str, Checked]) -> dict[str, list[str]]:
    """What is odd about an image beside the others: a mask that is another's too, voxels the other way round."""
    frame = cohort.frame
    told: dict[str, list[str]] = {}
    for mask, group in frame[frame["mask"] != ""].groupby("mask", sort=False):
        cases = list(group["case"])
        for case in cases:
            if group["image"].nunique() > 1:
                others = ", ".join(other for other in cases if other != case)
                told.setdefault(case, []).append(f"{mask}: is the mask of {others} too: correct the column mask.")
    for sequence, group in frame.groupby("sequence", sort=False):
        axes = {case: found[case].axes for case in group["case"] if found[case].axes}
        handed = {case: _right_handed(way) for case, way in axes.items()}
        usual, count = Counter(handed.values()).most_common(1)[0] if handed else (True, 0)
        odd = [case for case, hand in handed.items() if hand is not usual]
        if len(handed) < FEWEST_TO_COMPARE or len(odd) > LARGEST_MINORITY * len(handed):
            continue
        name = f" of sequence {sequence!s}" if sequence else ""
        for case in odd:
            told.setdefault(case, []).append(
                f"its voxels run {axes[case]}, mirrored to those of the other {counted(count, 'image')}{name}: an "
                "exchange of left and right when it was converted looks like that; look at it beside its source."
            )
    return told


def _right_handed(axes: str) -> bool:
    """Whether axes such as "LPS" make a right-handed system, as RAS does."""
    order = [{"R": 0, "L": 0, "A": 1, "P": 1, "S": 2, "I": 2}[way] for way in axes]
    swaps = sum(order[a] > order[b] for a in range(3) for b in range(a + 1, 3))
    return (swaps + sum(way in "LPI" for way in axes)) % 2 == 0
