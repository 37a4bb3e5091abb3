"""`medcl preprocess`."""

from __future__ import annotations

import typer

from medcl.cli.flags import door
from medcl.study.plural import counted
from medcl.workflows.ingest import Ingested
from medcl.workflows.preprocess import Preprocessed, PreprocessOptions, preprocess_or_ingest
from medcl.workflows.verify import Verified

USUAL = PreprocessOptions.model_fields["name"].default


def summary(made: Preprocessed | Ingested | Verified) -> None:
    """Say how many images there are, what was kept and left out, and where they lie."""
    if isinstance(made, Ingested):
        first_cohort(made)
        return
    if isinstance(made, Verified):
        verified(made)
        return
    for case, problem in made.left_out:
        typer.echo(f"Left out: {case}: {problem}")
    people = f"{counted(made.images, 'image')} of {counted(made.patients, 'patient')}"
    if made.folder is None:
        found = "no problem was found"
        if made.warnings:
            found = f"{counted(len(made.warnings), 'warning')}, which do not stop preprocessing"
            typer.echo("\n".join(made.warnings))
        typer.echo(f"{people} can be used; {found}. Nothing was written.")
        return
    kept = f", {made.kept} kept" if made.kept else ""
    out = f", {len(made.left_out)} left out" if made.left_out else ""
    rate = f" ({made.prepared / made.seconds:.3g} images/s)" if made.prepared else ""
    size = f"{' '.join(map(str, made.size))} voxels (z y x)"
    if made.slices is not None:
        size = f"{counted(made.slices, 'slice')} of {' '.join(map(str, made.size[1:]))} pixels (y x)"
    typer.echo(f"{people}, {size}: {made.prepared} prepared{kept}{out} in {made.seconds:.1f} s{rate}.")
    typer.echo(f"Volumes: {made.folder}")
    if made.page is not None:
        typer.echo(f"Quality page: {made.page}")
    store = "" if made.folder.name == USUAL else f" --preprocessed {made.folder.name}"
    typer.echo(f"Next: medcl pretrain{store} --variable NAME (`medcl list variables` shows the names)")


def verified(made: Verified) -> None:
    """Say that a store is whole, and how far that was looked at."""
    typer.echo(f"{counted(made.files, 'file')} of {made.folder}: none is damaged, missing or extra.")
    if made.without_hash:
        typer.echo(
            f"Of {made.without_hash} of them the store notes no hash (an earlier medcl made it): their shape, type and "
            "range were looked at. `medcl preprocess --overwrite` makes it again with hashes."
        )


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
