"""`medcl cluster train`."""

from __future__ import annotations

import typer

from medcl.cli.flags import door
from medcl.workflows.cluster_train import Clustered, ClusterTrainOptions, cluster_train
from medcl.workflows.processes import is_main_process


def summary(done: Clustered) -> None:
    """Say how large the clusters are and what to look at; of several processes the first one does."""
    if not is_main_process():
        return
    if done.forecast is not None:
        for sentence in done.forecast.sentences():
            typer.echo(sentence)
        typer.echo("A dry run: nothing was written.")
        return
    assert done.run is not None
    sizes = ", ".join(map(str, done.sizes))
    typer.echo(f"{len(done.sizes)} clusters, of {sizes} training images.")
    typer.echo(f"Run {done.run.name} is in {done.run.path}")
    typer.echo(f"Page: {done.page}")
    typer.echo(f"Next: medcl cluster apply --run {done.run.name}, for new images; or medcl cluster evaluate, by labels")


command = door(ClusterTrainOptions, cluster_train, summary)
