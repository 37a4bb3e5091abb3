"""Puts a simulated patient on disk: images and masks as NIfTI, and the rows of cohort.csv and truth.csv.

The cohort table holds what a hospital would know (measured GFR and creatinine, some of them missing); the truth table
holds what only a simulation knows, and is for checking, never for training.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from medcl.imaging.simulate.allograft import COLLECTING, CORTEX, MEDULLA
from medcl.imaging.simulate.clinical import EXAMS
from medcl.imaging.simulate.transplant_mr import Exam, Patient, draw_exam, draw_patient, render
from medcl.study.files import write_whole

IMAGES, MASKS = "images", "masks"

MISSING_SHARE = 0.03
"""Share of exams without a creatinine, without a GFR, and of patients without a typing."""

_MISSING_STREAM = 99
"""Keys the draw of what is missing, apart from all that shapes images."""

Row = dict[str, Any]


@dataclass(frozen=True)
class PatientJob:
    """What one worker writes: patient `number` of the study with this seed, into `folder`."""

    folder: Path
    seed: int
    number: int


@dataclass(frozen=True)
class PatientRows:
    """The rows of one patient: an image a row in `cohort`, an exam a row in `truth`."""

    cohort: list[Row]
    truth: list[Row]


def patient_name(number: int) -> str:
    """Return P001 for 1."""
    return f"P{number:03d}"


def write_patient(job: PatientJob) -> PatientRows:
    """Write all images and masks of one patient.

    Raises:
        RunFailed: the disk is full.
    """
    patient = draw_patient(job.seed, job.number)
    chance = np.random.default_rng([job.seed, job.number, _MISSING_STREAM])
    typed = chance.random() >= MISSING_SHARE
    cohort: list[Row] = []
    truth: list[Row] = []
    for name in EXAMS:
        exam = draw_exam(patient, name, job.seed)
        clinical = _clinical(patient, exam, typed, chance)
        for image in render(exam):
            file = f"{patient_name(job.number)}_{name}_{image.sequence}.nii.gz"
            _save(job.folder / IMAGES / file, image.voxels, image.affine)
            _save(job.folder / MASKS / file, image.labels, image.affine)
            place = {"sequence": image.sequence, "image": f"{IMAGES}/{file}", "mask": f"{MASKS}/{file}"}
            cohort.append({"patient": patient_name(job.number), "exam": name, **place, **clinical})
        truth.append(_truth(patient, exam))
    return PatientRows(cohort, truth)


def _clinical(patient: Patient, exam: Exam, typed: bool, chance: np.random.Generator) -> Row:
    """What the hospital's table says; an empty text where nobody wrote it down."""
    visit = exam.visit
    gfr_known, screat_known = chance.random(2) >= MISSING_SHARE
    return {
        "modality": "mr",
        "site": patient.site,
        "scanner": exam.session.scanner,
        "days": visit.days,
        "gfr [mL/min/1.73m2]": f"{visit.measured_gfr:.1f}" if gfr_known else "",
        "donor_age [years]": patient.recipient.donor_age,
        "screat [umol/L]": f"{visit.screat:.0f}" if screat_known else "",
        "incompatibility": patient.recipient.incompatibility if typed else "",
    }


def _truth(patient: Patient, exam: Exam) -> Row:
    """What only the simulation knows; in the units of the column names."""
    volumes = exam.shape.volumes
    return {
        "patient": patient_name(patient.number),
        "exam": exam.visit.exam,
        "gfr [mL/min/1.73m2]": round(exam.visit.gfr, 3),
        "filtration [mL/min]": round(exam.graft.filtration, 3),
        "cortical_plasma_flow [mL/min/mL]": round(exam.graft.plasma_flow, 4),
        "rejection": round(exam.visit.rejection, 4),
        "early_loss": round(exam.visit.early, 4),
        "cortex [mm]": round(exam.shape.cortex, 3),
        "cortex [mL]": round(volumes[CORTEX], 2),
        "medulla [mL]": round(volumes[MEDULLA], 2),
        "collecting_system [mL]": round(volumes[COLLECTING], 2),
        "cardiac_output": round(exam.state.arterial.cardiac_output, 4),
        "hydration": round(exam.state.hydration, 4),
        "field [T]": exam.session.protocol.field,
        "side": "right" if patient.side > 0 else "left",
    }


def _save(path: Path, voxels: NDArray[Any], affine: NDArray[Any]) -> None:
    image = nib.Nifti1Image(voxels, affine)  # type: ignore[no-untyped-call]
    image.header.set_xyzt_units("mm")  # type: ignore[no-untyped-call]
    with write_whole(path) as temporary:
        temporary.write_bytes(_compressed(image))


def _compressed(image: nib.Nifti1Image) -> bytes:
    """The bytes of a .nii.gz without a time stamp: the same image gives the same file."""
    import gzip

    return gzip.compress(image.to_bytes(), compresslevel=1, mtime=0)
