"""What `medcl cluster train` and `apply` leave behind: assignments, prototypes, reconstructions, strata, the page."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medcl.study.errors import BadInput
from medcl.study.files import write_json, write_text
from medcl.workflows.cluster_options import ClusterPageOptions
from medcl.workflows.cluster_outcome import ClusterOutcome
from medcl.workflows.cluster_page import cluster_page
from medcl.workflows.cluster_pictures import PROTOTYPES, RECONSTRUCTIONS, write_prototypes, write_reconstructions
from medcl.workflows.cluster_strata import TABLE as STRATA
from medcl.workflows.cluster_strata import cluster_strata, write_strata
from medcl.workflows.cluster_tables import ASSIGNMENTS, write_assignments

PAGE, STABILITY = "clusters.html", "stability.json"


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        page: to look at.
        files: relative to the folder.
        sizes: training images of each cluster, or images where nobody trained.
    """

    page: Path
    files: list[str]
    sizes: list[int]


def check_page_options(images: Any, options: ClusterPageOptions) -> None:
    """Refuse what the page could not show, before anything long begins.

    Raises:
        BadInput: a variable is not known, or patients are to be named and not to be named.
    """
    from medcl.study.names import canonical_name

    names = [] if [word.casefold() for word in options.variables] == ["all"] else options.variables
    for name in [*names, *([options.color] if options.color else [])]:
        images.cohort.variable(name)
    if options.no_ids and options.color and canonical_name(options.color) == "patient":
        raise BadInput("--no-ids does not go with --color patient: the legend would name them. Leave one of them out.")


def write_outcome(folder: Path, outcome: ClusterOutcome, options: ClusterPageOptions) -> Written:
    """Write tables, pictures and the page into a folder; those of an earlier call go.

    Raises:
        BadInput: a variable is not known.
        RunFailed: the disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _clear(folder)
    write_assignments(folder, outcome.samples, outcome.found)
    prototypes = write_prototypes(folder, outcome)
    rebuilt = write_reconstructions(folder, outcome, options.pictures)
    table = cluster_strata(outcome, options.variables)
    files = [ASSIGNMENTS, PAGE, PROTOTYPES, *([RECONSTRUCTIONS] if rebuilt else [])]
    if table is not None:
        write_strata(folder, table)
        files.append(STRATA)
    if outcome.stability is not None:
        write_json(folder / STABILITY, _stability_json(outcome))
        files.append(STABILITY)
    html = cluster_page(folder.name, outcome, prototypes, rebuilt, table, options)
    write_text(folder / PAGE, html)
    sides = outcome.samples.splits[outcome.found.rows]
    counting = sides == "train" if (sides == "train").any() else np.ones(len(sides), bool)
    sizes = np.bincount(outcome.found.clusters[counting], minlength=outcome.clusters).tolist()
    return Written(folder / PAGE, files, sizes)


def _clear(folder: Path) -> None:
    """Remove what an earlier call left: fewer clusters or other images would leave files of it between the new ones."""
    for name in (ASSIGNMENTS, PAGE, STRATA, STABILITY):
        (folder / name).unlink(missing_ok=True)
    for name in (PROTOTYPES, RECONSTRUCTIONS):
        if (folder / name).is_dir():
            shutil.rmtree(folder / name)


def _stability_json(outcome: ClusterOutcome) -> dict[str, Any]:
    from dataclasses import asdict

    assert outcome.stability is not None
    return {"measure": "adjusted Rand index", **asdict(outcome.stability)}
