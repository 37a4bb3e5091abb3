"""`medcl cluster apply`: images put to the fixed prototypes of a run."""

from __future__ import annotations

import logging
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from medcl.study.errors import BadInput
from medcl.study.folder import Study
from medcl.workflows.cluster_options import ClusterPageOptions, ClusterResultOptions
from medcl.workflows.options import flag

log = logging.getLogger("medcl")


class ClusterApplyOptions(ClusterResultOptions, ClusterPageOptions):
    """Put images to the clusters of a run, whose prototypes stay as they are.

    Takes the images that the run was trained on, and new ones beside them, unless others are named: those of another
    study (with --run OTHER/runs/NAME), or of a file. Writes clusters/NAME. Research use only.
    """

    section: ClassVar[str] = "cluster.apply"

    seed: int = flag(0, "Of the maps on the page.", ge=0)


@dataclass(frozen=True)
class ClusterApplied:
    """What was written.

    Attributes:
        folder: of the files.
        page: to look at.
        run: whose prototypes.
        sizes: images of each cluster, by side of the run's split.
        images: how many.
        seconds: it took.
    """

    folder: Path
    page: Path
    run: str
    sizes: list[dict[str, int]]
    images: int
    seconds: float


def cluster_apply(options: ClusterApplyOptions) -> ClusterApplied:
    """Encode the images, assign each to a prototype and write tables, pictures and a page.

    Raises:
        BadInput: no run, other images than the run's, or results that exist.
        RunFailed: features that are not finite, or the disk is full.
    """
    from medcl.workflows.cluster_opened import open_clustering
    from medcl.workflows.cluster_outcome import ClusterOutcome
    from medcl.workflows.cluster_tables import ASSIGNMENTS
    from medcl.workflows.cluster_writing import check_page_options, write_outcome

    started = time.monotonic()
    study = Study.find(options.study)
    opened = open_clustering(study, options.run, options, options.device)
    folder = study.clusters / (options.name or opened.run.name)
    if (folder / ASSIGNMENTS).exists() and not options.overwrite:
        raise BadInput(f"{folder / ASSIGNMENTS} exists. Replace it with --overwrite, or give another --name.")
    check_page_options(opened.images, options)
    for note in opened.images.notes:
        log.info(note)
    found, card = opened.assign(), opened.images.card
    outcome = ClusterOutcome(
        command="cluster apply",
        run=opened.run.name,
        network=opened.saved.network,
        device=opened.device,
        images=opened.images,
        samples=opened.samples,
        found=found,
        notes=tuple(_told(opened.samples.splits.tolist())),
        facts={
            "Images": str(card.get("npz") or f"preprocessed/{card['preprocessed']}"),
            "Prototypes": f"of the run {opened.run.name}, as they were after its training",
        },
        seed=options.seed,
    )
    written = write_outcome(folder, outcome, options)
    sides = opened.samples.splits[found.rows]
    sizes = [dict(Counter(sides[found.clusters == number].tolist())) for number in range(outcome.clusters)]
    return ClusterApplied(folder, written.page, opened.run.name, sizes, len(found), time.monotonic() - started)


def _told(splits: list[str]) -> list[str]:
    """Whose images these are: what trained the run looks better than what it never saw."""
    counts = Counter(splits)
    if "new" not in counts:
        return []
    return [f"{counts['new']:,} of {len(splits):,} images are new: no part of the run's training, nor held out by it."]
