"""`medcl simulate`: a whole study with known truth.

Patients are independent of each other and spread over processes. What is written, in this order: simulation.json (what
was asked for; it marks the folder as simulated), medcl.toml, images/ and masks/, truth.csv and, when all is there,
cohort.csv.
"""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import model_validator

from medcl.study.errors import BadInput
from medcl.study.files import read_json, write_json, write_text
from medcl.workflows.options import Options, argument, flag
from medcl.workflows.pool import run_jobs
from medcl.workflows.progress import progress

Rows = list[dict[str, Any]]

MARK = "simulation.json"
"""The file by which a folder can be told to be a simulated study, which `--overwrite` may then empty."""


class SimulateOptions(Options):
    """Write a simulated study with known truth: images, masks, cohort.csv, truth.csv and medcl.toml.

    The kind transplant-mr follows kidney-transplant recipients over a year: exams D15, D30, M3 and M12, each with a
    water image before contrast agent and an arterial and a tubular phase after it. The kind cardiac-mr has hearts of
    five disease groups in short-axis cine MR at end-diastole (ED) and end-systole (ES), with masks of both ventricles.
    The kind abdomen-ct-mr has abdomens, some in CT (Hounsfield units) and those of other patients in T2-weighted MR,
    with masks of liver, kidneys and spleen.
    """

    directory: Path = argument("The folder to write the study to; made when it does not exist.", metavar="DIR")
    kind: Literal["transplant-mr", "cardiac-mr", "abdomen-ct-mr"] = flag("transplant-mr", "What is simulated.")
    patients: int = flag(
        40,
        "How many patients in all; each has 12 images (transplant-mr), 2 (cardiac-mr) or 1 (abdomen-ct-mr, in turns CT "
        "and MR).",
        ge=1,
        le=100_000,
    )
    seed: int = flag(0, "The same seed gives the same study; patient P001 is the same however many follow.", ge=0)
    workers: int | None = flag(None, "Processes to share the work; as many as there are cores unless told.", ge=1)
    overwrite: bool = flag(False, "Replace a study that was simulated in this folder before.")

    @model_validator(mode="after")
    def _one_folder(self) -> Self:
        if self.study is not None:
            raise ValueError(f"--study {self.study} has no meaning here: the study is written to DIR.")
        return self


@dataclass(frozen=True)
class SimulatedStudy:
    """What was written: the study's folder, counts, the seconds it took, and the commands that come next."""

    directory: Path
    patients: int
    images: int
    seconds: float
    following: tuple[str, ...]


def simulate(options: SimulateOptions) -> SimulatedStudy:
    """Write a simulated study.

    Raises:
        BadInput: the folder holds something and `overwrite` is not given, or what it holds was not simulated; too few
            patients for the kind.
        RunFailed: the disk is full or the folder cannot be written to.
    """
    from medcl.imaging.simulate.study_kind import study_kind

    kind = study_kind(options.kind)
    if options.patients < kind.least:
        raise BadInput(
            f"--patients {options.patients}: --kind {options.kind} needs {kind.least} or more ({kind.why}). Give "
            f"--patients {kind.least} or more."
        )
    began = time.monotonic()
    root = options.directory
    _make_room(root, options.overwrite)
    asked = {"kind": options.kind, "patients": options.patients, "seed": options.seed}
    write_json(root / MARK, asked)
    write_text(root / "medcl.toml", kind.settings)
    jobs = [(root, options.kind, options.seed, number) for number in range(1, options.patients + 1)]
    done: dict[int, tuple[Rows, Rows]] = {}
    with progress("Simulating", len(jobs), unit="patients") as step:
        for (*_, number), rows in run_jobs(_write_patient, jobs, options.workers):
            done[number] = rows
            step()
    cohort = [row for number in sorted(done) for row in done[number][0]]
    truth = [row for number in sorted(done) for row in done[number][1]]
    write_text(root / "truth.csv", _table(list(truth[0]), truth))
    write_text(root / "cohort.csv", _table(kind.columns, cohort))
    return SimulatedStudy(root, options.patients, len(cohort), time.monotonic() - began, kind.following)


def _make_room(root: Path, overwrite: bool) -> None:
    if root.exists() and not root.is_dir():
        raise BadInput(f"{root} is a file; give a folder to write the study to.")
    if not root.is_dir() or not any(root.iterdir()):
        return
    if not overwrite:
        raise BadInput(f"{root} is not empty. Choose another folder, or replace a simulated study with --overwrite.")
    if not (root / MARK).is_file():
        raise BadInput(
            f"{root} has no {MARK}, so it was not written by 'medcl simulate', and --overwrite leaves it alone. "
            "Choose another folder."
        )
    read_json(root / MARK)
    # cohort.csv first: without it the half-emptied folder is no study.
    for name in ("cohort.csv", "truth.csv", "medcl.toml"):
        (root / name).unlink(missing_ok=True)
    for folder in ("images", "masks"):
        for file in (root / folder).glob("P*_*.nii.gz"):
            file.unlink()


def _write_patient(job: tuple[Path, str, int, int]) -> tuple[Rows, Rows]:
    """Write one patient's images and masks; return the rows of cohort.csv and truth.csv."""
    from medcl.imaging.simulate.storage import store_nifti
    from medcl.imaging.simulate.study_kind import study_kind

    root, kind, seed, number = job
    rows, known = [], []
    for exam in study_kind(kind).exams(seed, number):
        known.append(exam.truth)
        for image in exam.images:
            stem = "_".join(part for part in (exam.patient, exam.exam, image.sequence) if part) + ".nii.gz"
            store_nifti(root / "images" / stem, image.voxels, image.affine)
            store_nifti(root / "masks" / stem, image.labels, image.affine)
            files = {"sequence": image.sequence, "image": f"images/{stem}", "mask": f"masks/{stem}"}
            rows.append(exam.clinical | files)
    return rows, known


def _table(columns: Sequence[str], rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: f"{value:.6g}" if isinstance(value, float) else value for name, value in row.items()})
    return text.getvalue()
