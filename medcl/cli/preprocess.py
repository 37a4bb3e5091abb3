"""`medcl preprocess`."""

from __future__ import annotations

import typer

from medcl.cli.flags import door
from medcl.study.plural import counted
from medcl.workflows.ingest import Ingested
from medcl.workflows.preprocess import Preprocessed, PreprocessOptions, preprocess_or_ingest

USUAL = PreprocessOptions.model_fields["name"].default


def summary(made: Preprocessed | Ingested) -> None:
    """Say how many images there are, what was kept and left out, and where they lie."""
    if isinstance(made, Ingested):
        first_cohort(made)
        return
    for case, problem in made.left_out:
        typer.echo(f"Left out: {case}: {problem}")
    people = f"{counted(made.images, 'image')} of {counted(made.patients, 'patient')}"
    if made.folder is None:
        typer.echo(f"{people} can be used; no problem was found. Nothing was written.")
        return
    kept = f", {made.kept} kept" if made.kept else ""
    out = f", {len(made.left_out)} left out" if made.left_out else ""
    rate = f" ({made.prepared / made.seconds:.3g} images/s)" if made.prepared else ""
    size = " ".join(map(str, made.size))
    typer.echo(f"{people}, {size} voxels (z y x): {made.prepared} prepared{kept}{out} in {made.seconds:.1f} s{rate}.")
    typer.echo(f"Volumes: {made.folder}")
    store = "" if made.folder.name == USUAL else f" --preprocessed {made.folder.name}"
    typer.echo(f"Next: medcl pretrain{store} --variable NAME (`medcl list variables` shows the names)")


def first_cohort(made: Ingested) -> None:
    """Say what `--from` found and left out, and what to do next."""
    for note in made.notes:
        typer.echo(note)
    exams, patients = counted(made.exams, "exam"), counted(made.patients, "patient")
    kept = f", {made.kept} of them converted before" if made.kept else ""
    typer.echo(f"{counted(made.images, 'image')} of {exams} of {patients} from {counted(made.files, 'file')}{kept}.")
    if made.left_out:
        typer.echo(f"Left out, with the reason in {made.series.name}:")
        for reason, count in made.left_out.most_common():
            typer.echo(f"  {count:6d}  {reason}")
    if made.private is not None:
        typer.echo(f"Who is who stands in {made.private}: keep that folder to yourself.")
    typer.echo(f"Look at {made.cohort} and {made.series.name}, add clinical columns, then run `medcl preprocess`.")


command = door(PreprocessOptions, preprocess_or_ingest, summary)
