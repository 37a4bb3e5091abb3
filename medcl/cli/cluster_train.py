"""`medcl cluster train`."""

from __future__ import annotations

import typer

from medcl.cli.flags import door
from medcl.cli.forecast import told_without_run
from medcl.workflows.cluster_train import Clustered, ClusterTrainOptions, cluster_train


def summary(done: Clustered) -> None:
    """Say how large the clusters are and what to look at; of several processes the first one does."""
    if told_without_run(done.forecast):
        return
    assert done.run is not None
    sizes = ", ".join(map(str, done.sizes))
    typer.echo(f"{len(done.sizes)} clusters, of {sizes} training images.")
    typer.echo(f"Run {done.run.name} is in {done.run.path}")
    typer.echo(f"Page: {done.page}")
    typer.echo(f"Next: medcl cluster apply --run {done.run.name}, for new images; or medcl cluster evaluate, by labels")


command = door(ClusterTrainOptions, cluster_train, summary)
