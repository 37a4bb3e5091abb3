"""The tables of simulated studies without their images, for tests of what is done with tables."""

from __future__ import annotations

import csv
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from medcl.imaging.simulate.cardiac_mr import draw_heart
from medcl.imaging.simulate.cardiac_tables import CARDIAC_COLUMNS, cardiac_clinical_values
from medcl.imaging.simulate.clinical import EXAMS, draw_visit
from medcl.imaging.simulate.study_tables import COHORT_COLUMNS, clinical_values
from medcl.imaging.simulate.transplant_mr import draw_patient

SEQUENCES = ("water", "arterial", "tubular")


def transplant_table(folder: Path, patients: int, seed: int = 0) -> Path:
    """The cohort.csv that `medcl simulate --kind transplant-mr` writes, of images that do not exist."""
    rows = []
    for number in range(1, patients + 1):
        patient = draw_patient(seed, number)
        for place, exam in enumerate(EXAMS, start=1):
            # The visit is the first that an exam draws; shapes and scanner take long and no prompt speaks of them.
            visit = draw_visit(patient.recipient, exam, np.random.default_rng((seed, number, place)))
            drawn = SimpleNamespace(patient=patient, visit=visit, session=SimpleNamespace(scanner=""))
            values = clinical_values(drawn, seed)
            for sequence in SEQUENCES:
                image = f"images/{values['patient']}_{exam}_{sequence}.nii.gz"
                rows.append(values | {"sequence": sequence, "image": image, "mask": ""})
    return _written(folder, COHORT_COLUMNS, rows)


def cardiac_table(folder: Path, patients: int, seed: int = 0) -> Path:
    """The cohort.csv that `medcl simulate --kind cardiac-mr` writes, of images that do not exist."""
    rows = []
    for number in range(1, patients + 1):
        heart = draw_heart(seed, number)
        for exam in ("ED", "ES"):
            values = cardiac_clinical_values(heart, exam)
            rows.append(values | {"sequence": "", "image": f"{values['patient']}_{exam}.nii.gz", "mask": ""})
    return _written(folder, CARDIAC_COLUMNS, rows)


def _written(folder: Path, columns: tuple[str, ...], rows: list[dict[str, str]]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "cohort.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    return folder / "cohort.csv"
