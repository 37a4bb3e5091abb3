"""`medcl cluster evaluate`: what clusters and features tell about labels, beside what the pixels alone tell.

The three ways of Ferrante et al. (2023): clusters mapped to classes by training labels, nearest neighbours, a linear
layer; each beside baselines that read the same labels.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from medcl.study.errors import BadInput
from medcl.study.folder import Study
from medcl.workflows.cluster_options import ClusterResultOptions
from medcl.workflows.options import flag

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from medcl.data.samples import Samples
    from medcl.evaluation.clustered import Clustered
    from medcl.evaluation.clustering_table import EvaluationRow
    from medcl.study.variable import Variable
    from medcl.workflows.cluster_opened import OpenedClustering

NPZ_LABELS = "label"
"""What the classes of --npz are called."""

MOST_PIXELS = 500_000_000
"""Numbers that the baselines of pixels take at most: 2 GB."""

log = logging.getLogger("medcl")


class ClusterEvaluateOptions(ClusterResultOptions):
    """Score a clustering with labels: map from clusters, nearest neighbours, linear layer, and baselines of pixels.

    Training labels fit, validation and test patients are scored. Writes clusters/NAME/evaluation.csv and
    evaluation.html. Research use only.
    """

    section: ClassVar[str] = "cluster.evaluate"

    labels: str | None = flag(
        None, "Clinical variable with the classes; the labels of --npz unless told.", metavar="NAME"
    )
    share: float = flag(0.2, "Share of the labelled training patients for the rows of few labels.", gt=0, le=1)
    repeats: int = flag(5, "Draws of that share, each with a seed of its own.", ge=1)
    split: Literal["val", "test", "both"] = flag("both", "Which held-out patients are scored.")
    standardised: bool = flag(False, "Also linear layers on standardised features, which the paper does not have.")
    balanced: bool = flag(
        False, "Also every method as if classes were equally frequent in training; the paper does not have it."
    )
    baselines: bool = flag(True, "Also what raw pixels tell at the same labels.")
    seed: int = flag(0, "Of the draws and the linear layers.", ge=0)
    page: bool = flag(True, "Draw evaluation.html.")


@dataclass(frozen=True)
class ClusterEvaluated:
    """What was found and written.

    Attributes:
        folder: of the files.
        table: evaluation.csv.
        page: None where none was wanted.
        run: that was evaluated.
        rows: of the table.
        seconds: it took.
    """

    folder: Path
    table: Path
    page: Path | None
    run: str
    rows: list[EvaluationRow]
    seconds: float


def cluster_evaluate(options: ClusterEvaluateOptions) -> ClusterEvaluated:
    """Encode the images, fit on training labels and score the held-out patients.

    Raises:
        BadInput: no run, other images than the run's, no labels, or results that exist.
        RunFailed: features that are not finite, or the disk is full.
    """
    from medcl.evaluation.clustering_table import evaluate_clustering
    from medcl.workflows.cluster_evaluation_files import PAGE, TABLE, write_evaluation
    from medcl.workflows.cluster_opened import open_clustering

    started = time.monotonic()
    study = Study.find(options.study)
    opened = open_clustering(study, options.run, options, options.device)
    folder = study.clusters / (options.name or opened.run.name)
    _refuse_existing([folder / TABLE, *([folder / PAGE] if options.page else [])], options.overwrite)
    labels = _labels(opened, options)
    for note in [*opened.images.notes, *labels.notes]:
        log.info(note)
    rows = evaluate_clustering(
        _clustered(opened, labels, options.baselines),
        share=options.share,
        seeds=tuple(range(options.seed, options.seed + options.repeats)),
        standardised=options.standardised,
        balanced=options.balanced,
        held_out=("val", "test") if options.split == "both" else (options.split,),
    )
    write_evaluation(folder, opened, rows, labels.label, options)
    page = folder / PAGE if options.page else None
    return ClusterEvaluated(folder, folder / TABLE, page, opened.run.name, rows, time.monotonic() - started)


def _labels(opened: OpenedClustering, options: ClusterEvaluateOptions) -> Variable:
    """The classes.

    Raises:
        BadInput: no variable is named, or it has numbers instead of classes.
    """
    name = options.labels or (NPZ_LABELS if "npz" in opened.images.card else None)
    if name is None:
        known = ", ".join(opened.images.cohort.variables) or "none"
        raise BadInput(f"--labels is missing: which clinical variable has the classes? The variables are {known}.")
    cohort = opened.images.cohort
    if options.labels is None and name not in cohort.variables:
        raise BadInput(
            f"{cohort.file} has no labels (train_labels, test_labels, ...), so there is nothing to compare the "
            "clusters with: give a file with labels with --npz."
        )
    found = cohort.variable(name)
    if found.kind != "categorical":
        raise BadInput(
            f"--labels {name}: '{found.header}' holds numbers, and clusters are compared with classes: choose a "
            "variable with classes, or add a column with them (such as low and high)."
        )
    return found


def _clustered(opened: OpenedClustering, labels: Variable, pixels: bool) -> Clustered:
    from medcl.evaluation.clustered import Clustered

    samples, found = opened.samples, opened.assign()
    return Clustered(
        h=found.h,
        z=found.z,
        clusters=found.clusters,
        count=found.soft.shape[1],
        labels=labels.values.reindex(samples.cases).to_numpy(),
        patients=samples.patients,
        splits=samples.splits,
        soft=found.soft,
        pixels=_pixels(samples) if pixels else None,
    )


def _pixels(samples: Samples) -> NDArray[np.float32]:
    """The images as rows; the baselines are for images that fit into memory.

    Raises:
        BadInput: they would take more than `MOST_PIXELS` numbers.
    """
    import numpy as np

    numbers = len(samples) * int(np.prod(samples.size))
    if numbers > MOST_PIXELS:
        raise BadInput(
            f"{len(samples):,} images of {' '.join(map(str, samples.size))} voxels are too many numbers for the "
            "baselines of pixels, which take them all at once: leave them out with --no-baselines."
        )
    rows = np.empty((len(samples), *samples.size), np.float32)
    for row in range(len(samples)):
        samples.read(row, rows[row])
    return rows.reshape(len(samples), -1)


def _refuse_existing(files: list[Path], overwrite: bool) -> None:
    there = [file for file in files if file.exists()]
    if there and not overwrite:
        raise BadInput(f"{there[0]} exists. Replace it with --overwrite, or give another folder with --name.")
