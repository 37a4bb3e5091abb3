"""The kind of study abdomen-ct-mr: unpaired abdominal CT and MR with masks of four organs."""

from __future__ import annotations

from collections.abc import Iterator

from medcl.imaging.simulate.abdomen_ct_mr import draw_abdomen, render_abdomen
from medcl.imaging.simulate.abdomen_person import MODALITIES
from medcl.imaging.simulate.abdomen_tables import ABDOMEN_COLUMNS, abdomen_clinical_values, abdomen_true_values
from medcl.imaging.simulate.abdomen_template import ABDOMEN_COMMANDS, ABDOMEN_SETTINGS
from medcl.imaging.simulate.study_kind import SimulatedExam, SimulatedImage, StudyKind
from medcl.imaging.simulate.study_tables import patient_name


def abdomen_exams(seed: int, number: int) -> Iterator[SimulatedExam]:
    """Yield a patient's only exam, which has no name and one image."""
    abdomen = draw_abdomen(seed, number)
    image = render_abdomen(abdomen)
    yield SimulatedExam(
        patient_name(number),
        "",
        abdomen_clinical_values(abdomen),
        abdomen_true_values(abdomen, image),
        iter([SimulatedImage(abdomen.person.sequence, image.voxels, image.labels, image.affine)]),
    )


KIND = StudyKind(
    ABDOMEN_SETTINGS,
    ABDOMEN_COLUMNS,
    abdomen_exams,
    least=len(MODALITIES),
    why="patients have CT and MR in turns, and one alone would leave MR out",
    following=ABDOMEN_COMMANDS,
)
