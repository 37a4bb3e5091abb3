"""`medcl cluster apply`."""

from __future__ import annotations

import typer

from medcl.cli.flags import door
from medcl.study.plural import counted
from medcl.workflows.cluster_apply import ClusterApplied, ClusterApplyOptions, cluster_apply


def summary(done: ClusterApplied) -> None:
    """Say how the images spread over the clusters, and where it stands."""
    typer.echo(f"{counted(done.images, 'image')} put to the clusters of {done.run} in {done.seconds:.1f} s.")
    for number, sides in enumerate(done.sizes, start=1):
        told = ", ".join(f"{count:,} {side}" for side, count in sorted(sides.items())) or "none"
        typer.echo(f"Cluster {number}: {told}")
    typer.echo(f"Page: {done.page}")


command = door(ClusterApplyOptions, cluster_apply, summary)
