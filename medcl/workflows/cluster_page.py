"""What the page of `medcl cluster train` and `apply` shows, out of a clustering's outcome."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from medcl.workflows.cluster_options import ClusterPageOptions
from medcl.workflows.cluster_outcome import ClusterOutcome
from medcl.workflows.cluster_strata import shown_strata

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medcl.evaluation.strata_table import StrataTable
    from medcl.figures.clustering.cluster import Cluster, Example
    from medcl.figures.clustering.cluster_maps import ClusterMaps
    from medcl.figures.clustering.reconstructions import Reconstruction
    from medcl.figures.clustering.stability import Agreement
    from medcl.figures.colouring import Colouring

    Floats = NDArray[np.float32]

NEAREST = 5
"""Real images that are shown beside a prototype."""
MOST_HOVER = 12
"""Clinical variables that are told of a point."""


def cluster_page(
    name: str,
    outcome: ClusterOutcome,
    prototypes: Floats,
    rebuilt: Sequence[tuple[int, Floats, Floats]],
    table: StrataTable | None,
    options: ClusterPageOptions,
) -> str:
    """The page as HTML.

    Args:
        name: of the folder that it stands in.
        outcome: of the clustering.
        prototypes: (K, Z, Y, X) as the decoder draws them.
        rebuilt: (place in `outcome.found`, image, reconstruction) of the images that are shown.
        table: what tells the clusters apart; None without clinical variables.
        options: what the user wants to see.
    """
    from medcl.figures.clustering.page import clustering_page
    from medcl.figures.clustering.still import Hanging

    samples = outcome.samples
    return clustering_page(
        _clusters(outcome, prototypes),
        name=name,
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
