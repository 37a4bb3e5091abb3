"""The kind of study cardiac-mr: hearts in cine MR at end-diastole and end-systole."""

from __future__ import annotations

from collections.abc import Iterator

from medcl.imaging.simulate.cardiac_mr import draw_heart, render_heart
from medcl.imaging.simulate.cardiac_tables import CARDIAC_COLUMNS, cardiac_clinical_values, cardiac_true_values
from medcl.imaging.simulate.cardiac_template import CARDIAC_SETTINGS
from medcl.imaging.simulate.study_kind import SimulatedExam, SimulatedImage, StudyKind
from medcl.imaging.simulate.study_tables import patient_name

SEQUENCE = "cine"


def cardiac_exams(seed: int, number: int) -> Iterator[SimulatedExam]:
    """Yield a patient's two phases."""
    heart = draw_heart(seed, number)
    for image in render_heart(heart):
        yield SimulatedExam(
            patient_name(number),
            image.exam,
            cardiac_clinical_values(heart, image.exam),
            cardiac_true_values(heart, image.exam),
            iter([SimulatedImage(SEQUENCE, image.voxels, image.labels, image.affine)]),
        )


KIND = StudyKind(CARDIAC_SETTINGS, CARDIAC_COLUMNS, cardiac_exams)
