"""The door of `medcl simulate`."""

from __future__ import annotations

import typer

from medcl.cli.flags import door
from medcl.workflows.simulate import SimulatedStudy, SimulateOptions, simulate


def summary(study: SimulatedStudy) -> None:
    """Print what was written and what comes next."""
    patients = "patient" if study.patients == 1 else "patients"
    typer.echo(f"{study.images} images of {study.patients} {patients} in {study.directory} ({study.seconds:.0f} s)")
    typer.echo(f"Next: cd {study.directory} && {study.following[0]}")
    for command in study.following[1:]:
        typer.echo(f"      {command}")


command = door(SimulateOptions, simulate, summary)
