"""What a finished training of `medcl cluster train` writes into its run folder beside the network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medcl.evaluation.assign import assign
from medcl.evaluation.stability import Stability, stability
from medcl.study.errors import BadInput
from medcl.study.runs import Run
from medcl.workflows.cluster_outcome import ClusterOutcome
from medcl.workflows.cluster_training import MadeClustering, PreparedClustering
from medcl.workflows.cluster_writing import Written, write_outcome

if TYPE_CHECKING:
    from medcl.evaluation.assign import Assigned
    from medcl.figures.clustering.elbow import Elbow
    from medcl.methods.prototypes import Prototypes
    from medcl.workflows.cluster_train import ClusterTrainOptions

NETWORKS = ["clustering.safetensors", "encoder.safetensors", "projection.safetensors"]


def write_clusters(
    run: Run, prepared: PreparedClustering, made: MadeClustering, options: ClusterTrainOptions
) -> Written:
    """Put every image, held-out ones too, to its cluster and write tables, pictures and the page.

    Raises:
        RunFailed: features that are not finite, or the disk is full.
    """
    method, samples = made.method, prepared.samples
    assert method.found is not None  # the second phase has begun
    method.eval()
    found = assign(method.network, samples, np.arange(len(samples)), device=prepared.device)
    stable, why_not = _stability(prepared, found, method.found, options)
    outcome = ClusterOutcome(
        command="cluster train",
        run=run.name,
        network=method.network,
        device=prepared.device,
        images=prepared.images,
        samples=samples,
        found=found,
        elbow=_elbow(method.found, options),
        stability=stable,
        notes=(*method.found.notes, *_empty(prepared, found, options), *why_not),
        facts=_facts(prepared, options),
        seed=options.seed,
    )
    written = write_outcome(run.path, outcome, options)
    return Written(written.page, [*NETWORKS, *written.files], written.sizes)


def _elbow(found: Prototypes, options: ClusterTrainOptions) -> Elbow:
    from medcl.figures.clustering.elbow import Elbow

    return Elbow(found.inertia, len(found.centres), found.elbow, given=options.clusters != "auto")


def _stability(
    prepared: PreparedClustering, found: Assigned, prototypes: Prototypes, options: ClusterTrainOptions
) -> tuple[Stability | None, list[str]]:
    """The stability of the clusters of the training images, or why there is none."""
    if not options.stability:
        return None, []
    if options.grouping != "kmeans":  # another model, of which such repeats would not tell
        return None, ["How stable the clusters are is not looked at: the repeats are k-means, and these a mixture's."]
    train = np.flatnonzero(prepared.samples.splits == "train")
    try:
        stable = stability(
            found.h[train],
            prepared.samples.patients[train],
            len(prototypes.centres),
            reference=prototypes.labels,
            seeds=max(2, options.stability // 2),
            draws=options.stability,
            seed=options.seed,
        )
    except BadInput as error:  # too few patients; the training is over, and its clusters are there all the same
        return None, [f"How stable the clusters are cannot be told: {error}"]
    return stable, []


def _empty(prepared: PreparedClustering, found: Assigned, options: ClusterTrainOptions) -> list[str]:
    """Clusters whose prototype is nearest to no training image, in a sentence."""
    counts = np.bincount(found.clusters[prepared.samples.splits == "train"], minlength=found.soft.shape[1])
    empty = ", ".join(str(number) for number, count in enumerate(counts, start=1) if not count)
    told = f"No training image is nearest to the prototype of cluster {empty} by --assign {options.assign}."
    return [told] if empty else []


def _facts(prepared: PreparedClustering, options: ClusterTrainOptions) -> dict[str, str]:
    first = options.first_phase
    source = options.npz.name if options.npz else f"preprocessed/{prepared.images.card['preprocessed']}"
    return {
        "Images": source,
        "Network": f"{options.network}, {' x '.join(map(str, prepared.samples.size))} voxels (z y x)",
        "Training": f"{first} contrastive and {options.epochs - first} reconstructing epochs, {options.optimizer}",
        "Assignment": f"{options.assign}, temperature {options.assignment_temperature:g}",
        "Method": "Ferrante et al., Contrastive learning for unsupervised medical image clustering and reconstruction",
    }
