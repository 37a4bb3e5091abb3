"""What `medcl cluster train` and `apply` leave behind: assignments, prototypes, reconstructions, strata, the page."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medcl.study.errors import BadInput
from medcl.study.files import write_json, write_text
from medcl.workflows.cluster_options import ClusterPageOptions
from medcl.workflows.cluster_outcome import ClusterOutcome
from medcl.workflows.cluster_pictures import PROTOTYPES, RECONSTRUCTIONS, write_prototypes, write_reconstructions
from medcl.workflows.cluster_strata import TABLE as STRATA
from medcl.workflows.cluster_strata import cluster_strata, shown_strata, write_strata
from medcl.workflows.cluster_tables import ASSIGNMENTS, write_assignments

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medcl.figures.clustering.cluster import Cluster, Example
    from medcl.figures.clustering.cluster_maps import ClusterMaps
    from medcl.figures.clustering.reconstructions import Reconstruction
    from medcl.figures.clustering.stability import Agreement
    from medcl.figures.colouring import Colouring

PAGE, STABILITY = "clusters.html", "stability.json"
NEAREST = 5
"""Real images that are shown beside a prototype."""
MOST_HOVER = 12
"""Clinical variables that are told of a point."""


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
    from medcl.figures.clustering.page import clustering_page
    from medcl.figures.clustering.still import Hanging

    clusters = _clusters(outcome, prototypes)
    samples = outcome.samples
    html = clustering_page(
        clusters,
        name=folder.name,
        patients=len(set(samples.patients[outcome.found.rows].tolist())),
        command=outcome.command,
        run=outcome.run,
        maps=_maps(outcome, options),
        hanging=Hanging(tuple(float(step) for step in samples.spacings()[0]), outcome.of_patients),
        reconstructed=[_reconstruction(outcome, *each) for each in rebuilt],
        numbers=outcome.elbow,
        strata_found=shown_strata(table) if table is not None else None,
        agreements=_agreements(outcome),
        facts={**outcome.facts, "Seed": str(outcome.seed)},
        said=[*outcome.notes, *(table.notes if table is not None else ())],
        ids=not options.no_ids,
    )
    write_text(folder / PAGE, html)
    sides = samples.splits[outcome.found.rows]
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


def _clusters(outcome: ClusterOutcome, prototypes: NDArray[np.float32]) -> list[Cluster]:
    from medcl.figures.clustering.cluster import Cluster

    found, samples = outcome.found, outcome.samples
    sides, flat = samples.splits[found.rows], samples.size[0] == 1
    clusters = []
    for number in range(outcome.clusters):
        places = np.flatnonzero(found.clusters == number)
        nearest = places[np.argsort(found.distance[places], kind="stable")][:NEAREST]
        clusters.append(
            Cluster(
                str(number + 1),
                dict(Counter(sides[places].tolist())),
                prototypes[number, 0] if flat else prototypes[number],
                tuple(_example(outcome, int(place), _image(outcome, int(place))) for place in nearest),
            )
        )
    return clusters


def _image(outcome: ClusterOutcome, place: int) -> NDArray[np.float32]:
    image = np.empty(outcome.samples.size, np.float32)
    outcome.samples.read(int(outcome.found.rows[place]), image)
    return image


def _example(outcome: ClusterOutcome, place: int, image: NDArray[np.float32]) -> Example:
    from medcl.figures.clustering.cluster import Example

    samples, row = outcome.samples, int(outcome.found.rows[place])
    slices = [] if samples.slices is None else [f"slice {samples.slices[row]}"]
    where = " · ".join(part for part in (str(samples.exams[row]), str(samples.sequences[row]), *slices) if part)
    pixels = image[0] if image.shape[0] == 1 else image
    return Example(pixels, str(samples.patients[row]), where, str(samples.splits[row]))


def _reconstruction(
    outcome: ClusterOutcome, place: int, truth: NDArray[np.float32], image: NDArray[np.float32]
) -> Reconstruction:
    from medcl.figures.clustering.reconstructions import Reconstruction

    pixels = image[0] if image.shape[0] == 1 else image
    return Reconstruction(_example(outcome, place, truth), pixels, int(outcome.found.clusters[place]))


def _maps(outcome: ClusterOutcome, options: ClusterPageOptions) -> ClusterMaps | None:
    """The maps, with the variable of --color beside the clusters; None of too few images for a map."""
    from medcl.figures.clustering.cluster_maps import cluster_maps
    from medcl.figures.maps import FEWEST_ROWS
    from medcl.figures.points import Points

    found, samples, cohort = outcome.found, outcome.samples, outcome.images.cohort
    if len(found) < FEWEST_ROWS:
        return None
    rows = found.rows
    names = list(cohort.variables)
    if options.color and cohort.variable(options.color).name not in names:
        names.insert(0, cohort.variable(options.color).name)
    shown = {name: _colouring(outcome, name) for name in names[:MOST_HOVER]}
    color = (
        cohort.variable(options.color).name
        if options.color
        else names[0]
        if not outcome.of_patients and names
        else None
    )
    points = Points(
        samples.patients[rows].tolist(),
        samples.exams[rows].tolist(),
        samples.sequences[rows].tolist(),
        samples.splits[rows].tolist(),
        list(shown.values()),
        not options.no_ids,
    )
    colouring = None if color is None else shown.get(color) or _colouring(outcome, color)
    return cluster_maps(found.h, points, found.clusters, colouring, methods=options.maps, seed=outcome.seed)


def _colouring(outcome: ClusterOutcome, name: str) -> Colouring:
    from medcl.figures.colouring import Colouring

    variable = outcome.images.cohort.variable(name)
    cases = outcome.samples.cases[outcome.found.rows]
    column = variable.values.reindex(cases)
    if variable.kind == "numeric":
        limits = frozenset(place for place, case in enumerate(cases) if str(case) in variable.censored)
        return Colouring(variable.name, variable.unit, "numeric", column.to_numpy(np.float64), censored=limits)
    words = np.array(["" if value is None or value != value else str(value) for value in column], dtype=object)
    return Colouring(variable.name, variable.unit, "categorical", words)


def _agreements(outcome: ClusterOutcome) -> list[Agreement]:
    from medcl.figures.clustering.stability import Agreement

    found = outcome.stability
    if found is None:
        return []
    draws = found.bootstrap
    return [
        Agreement("other seeds", found.seeds.values),
        Agreement("patients drawn anew", draws.values, draws.low, draws.high, "95% of the draws"),
    ]


def _stability_json(outcome: ClusterOutcome) -> dict[str, Any]:
    from dataclasses import asdict

    assert outcome.stability is not None
    return {"measure": "adjusted Rand index", **asdict(outcome.stability)}
