"""The kind of study transplant-mr: kidney-transplant recipients over a year."""

from __future__ import annotations

from collections.abc import Iterator

from medcl.imaging.simulate.clinical import EXAMS
from medcl.imaging.simulate.study_kind import SimulatedExam, SimulatedImage, StudyKind
from medcl.imaging.simulate.study_tables import COHORT_COLUMNS, clinical_values, patient_name, true_values
from medcl.imaging.simulate.study_template import SETTINGS
from medcl.imaging.simulate.transplant_mr import draw_exam, draw_patient, render


def transplant_exams(seed: int, number: int) -> Iterator[SimulatedExam]:
    """Yield a patient's follow-up exams."""
    patient = draw_patient(seed, number)
    for name in EXAMS:
        exam = draw_exam(patient, name, seed)
        images = (SimulatedImage(image.sequence, image.voxels, image.labels, image.affine) for image in render(exam))
        yield SimulatedExam(patient_name(number), name, clinical_values(exam, seed), true_values(exam), images)


KIND = StudyKind(SETTINGS, COHORT_COLUMNS, transplant_exams)
