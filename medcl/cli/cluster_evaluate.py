"""`medcl cluster evaluate`."""

from __future__ import annotations

import typer

from medcl.cli.flags import door
from medcl.workflows.cluster_evaluate import ClusterEvaluated, ClusterEvaluateOptions, cluster_evaluate


def summary(done: ClusterEvaluated) -> None:
    """Print the accuracies, ours beside the baselines, and say where the whole table is."""
    from medcl.workflows.cluster_evaluation_files import mean_over_seeds

    for row, means, spreads in mean_over_seeds(done.rows):
        spread = f" ± {spreads['accuracy']:.3f}" if "accuracy" in spreads else ""
        typer.echo(
            f"{row.split:<5} {row.method} ({row.features}), {row.share:.0%} of the labels: "
            f"accuracy {means['accuracy']:.3f}{spread}"
        )
    typer.echo(f"Table: {done.table}")
    if done.page is not None:
        typer.echo(f"Page: {done.page}")


command = door(ClusterEvaluateOptions, cluster_evaluate, summary)
