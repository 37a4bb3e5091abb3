"""`medcl list methods|runs|variables`: what there is to choose from."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from typing import Any, Literal

from medcl.workflows.clinical_options import ClinicalOptions, read_options_cohort
from medcl.workflows.options import argument, flag

log = logging.getLogger("medcl")


class ListOptions(ClinicalOptions):
    """List the methods, the runs of the study, or the clinical variables of its cohort."""

    what: Literal["methods", "runs", "variables"] = argument(
        "What to list: methods, runs or variables.", metavar="methods|runs|variables"
    )
    json_: bool = flag(False, "Print JSON, for programs.")


@dataclass(frozen=True)
class Listing:
    """What was found.

    Attributes:
        what: methods, runs or variables.
        rows: one dict an entry, of plain values.
        json: whether it is to be printed as JSON.
        where: the folder or file that was read; "" for methods.
    """

    what: str
    rows: list[dict[str, Any]]
    json: bool
    where: str


def listing(options: ListOptions) -> Listing:
    """Collect the entries.

    Raises:
        BadInput: there is no study here (runs, variables), or its cohort.csv cannot be used.
    """
    rows, where = {"methods": _methods, "runs": _runs, "variables": _variables}[options.what](options)
    return Listing(options.what, rows, options.json_, where)


def _methods(options: ListOptions) -> tuple[list[dict[str, Any]], str]:
    from medcl.methods.registry import CLUSTERING_METHODS, METHODS, SEGMENTATION_METHODS, TRANSLATION_METHODS

    by_command = {
        "pretrain": METHODS,
        "translate train": TRANSLATION_METHODS,
        "segment train": SEGMENTATION_METHODS,
        "cluster train": CLUSTERING_METHODS,
    }
    return [
        {"name": name, "command": command, **asdict(method)}
        for command, methods in by_command.items()
        for name, method in methods.items()
    ], ""


def _runs(options: ListOptions) -> tuple[list[dict[str, Any]], str]:
    from medcl.study.folder import Study
    from medcl.study.runs import list_runs

    study = Study.find(options.study)
    rows = [
        {
            "name": run.name,
            "kind": run.kind,
            "status": run.status,
            "started": run.record.get("started"),
            "seconds": run.record.get("seconds"),
            "device": run.record.get("device"),
            "reason": run.record.get("reason"),
        }
        for run in list_runs(study)
    ]
    return rows, str(study.runs)


def _variables(options: ListOptions) -> tuple[list[dict[str, Any]], str]:
    from medcl.study.folder import Study
    from medcl.study.summary import summarise

    study = Study.find(options.study)
    cohort = read_options_cohort(study, options)
    for note in cohort.notes:
        log.info(note)
    rows = [{**asdict(summary), "range": summary.range} for summary in summarise(cohort)]
    return rows, str(study.cohort_file)
