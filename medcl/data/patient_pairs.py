"""Pairs by patient (the self-supervised task of Milecki et al., MIDL 2022): two images of one patient attract.

In the first half of the epochs two sequences of one exam are a positive pair too; in the second half only
images of different exams are, which is harder. Images of different patients are negatives throughout.

Of slices (ours): two slices of one image are no pair at all, whatever the exam, since an image is alike to itself in
intensities and noise; slices of two images of a patient are a pair as the two images would be.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medcl.data.curriculum import NEGATIVE, POSITIVE, UNUSED, Curriculum, Ints, Labels, require_patients
from medcl.data.pair_space import PairSpace, pairs_between, pairs_within
from medcl.data.samples import Samples
from medcl.data.task_options import TaskOptions

ANY_IMAGES = "two images of one patient positive, different patients negative"
DIFFERENT_EXAMS = "two exams of one patient positive, different patients negative"


@dataclass(frozen=True, eq=False)
class PatientRule:
    """Positive within a patient, negative between patients.

    Attributes:
        patients, exams: numbers of all samples; exams of different patients need not differ.
        same_exam: whether two images of one exam are a positive pair; if not, they are not used.
        images: number of the image of each slice; None where samples are images.
    """

    patients: Ints
    exams: Ints
    same_exam: bool
    images: Ints | None = None

    @property
    def name(self) -> str:
        """The definition in words."""
        return ANY_IMAGES if self.same_exam else DIFFERENT_EXAMS

    def positives(self, rows: Ints) -> PairSpace:
        """Return the pairs of images of one patient."""
        if not self.same_exam:
            return pairs_within(rows, self.patients[rows], self.exams[rows])
        return pairs_within(rows, self.patients[rows], None if self.images is None else self.images[rows])

    def negatives(self, rows: Ints) -> PairSpace:
        """Return the pairs of images of different patients."""
        return pairs_between(rows, self.patients[rows])

    def label(self, rows: Ints) -> Labels:
        """Return (N, N) labels; an image (or its slices) with itself is not used, nor an exam's if the rule says so."""
        patients, exams = self.patients[rows], self.exams[rows]
        same_patient = patients[:, None] == patients[None, :]
        label = np.where(same_patient, POSITIVE, NEGATIVE).astype(np.int8)
        own = rows if self.images is None else self.images[rows]
        label[own[:, None] == own[None, :]] = UNUSED
        if not self.same_exam:
            label[same_patient & (exams[:, None] == exams[None, :])] = UNUSED
        return label


def patient_curriculum(samples: Samples, options: TaskOptions) -> Curriculum:
    """Return the stages of the patient task.

    Raises:
        BadInput: one patient only, or a stage without positives.
    """
    rows = samples.rows("train")
    require_patients(samples.patients[rows], "there")
    patients = samples.patient_codes()
    exams = np.unique(samples.exams, return_inverse=True)[1].astype(np.int64)
    allowed = {"first-half": (True, False), "always": (True,), "never": (False,)}[options.same_exam]
    notes = samples.note(rows)
    nameless = int((samples.exams[rows] == "").sum())
    if nameless:
        notes.append(f"{nameless} training images name no exam: those of one patient count as one exam")
    curriculum = Curriculum(
        rules=tuple(PatientRule(patients, exams, same_exam, samples.images) for same_exam in allowed),
        epochs=options.epochs,
        rows=rows,
        validation_rows=samples.rows("val"),
        patients=patients,
        advice=(
            "Positives need patients with several exams (column `exam` of cohort.csv). Where each has one exam with "
            "several sequences, use --same-exam always; where each has one image, use --method simclr."
        ),
        facts={"same_exam": options.same_exam},
        notes=tuple(notes),
        images=samples.images,
    )
    curriculum.require_pairs()
    return curriculum
