"""`medcl preprocess`."""

from __future__ import annotations

import typer

from medcl.cli.flags import door
from medcl.workflows.preprocess import Preprocessed, PreprocessOptions, preprocess


def summary(made: Preprocessed) -> None:
    """Say how many images there are, what was kept and left out, and where they lie."""
    for case, problem in made.left_out:
        typer.echo(f"Left out: {case}: {problem}")
    people = f"{made.images} images of {made.patients} patients"
    if made.folder is None:
        typer.echo(f"{people} can be used; no problem was found. Nothing was written.")
        return
    kept = f", {made.kept} kept" if made.kept else ""
    out = f", {len(made.left_out)} left out" if made.left_out else ""
    rate = f" ({made.prepared / made.seconds:.3g} images/s)" if made.prepared else ""
    size = " ".join(map(str, made.size))
    typer.echo(f"{people}, {size} voxels (z y x): {made.prepared} prepared{kept}{out} in {made.seconds:.1f} s{rate}.")
    typer.echo(f"Volumes: {made.folder}")


command = door(PreprocessOptions, preprocess, summary)
