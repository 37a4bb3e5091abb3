"""A kidney-transplant recipient in the scanner: from seed and patient number to images, masks and the truth.

Random draws have one generator for the patient, one for each exam and one for each image, keyed by (seed, patient,
exam, image), so that neither the number of patients nor the order of the work changes any image. Exams and images count
from 1, since numpy takes a key that ends in 0 for the same key without it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medcl.imaging.simulate.allograft import (
    CAPSULE_FAT,
    COLLECTING,
    CORTEX,
    MEDULLA,
    OUTSIDE,
    SINUS_FAT,
    Allograft,
)
from medcl.imaging.simulate.canvas import Canvas
from medcl.imaging.simulate.clinical import EXAMS, Recipient, Visit, draw_recipient, draw_visit
from medcl.imaging.simulate.enhancement import tissue_concentrations
from medcl.imaging.simulate.filtration import Graft
from medcl.imaging.simulate.mottle import Mottle
from medcl.imaging.simulate.pelvis import (
    Body,
    Contents,
    draw_body,
    draw_contents,
    iliac_artery,
    paint_pelvis,
)
from medcl.imaging.simulate.physiology import Build, State, draw_build, draw_state, function_of, shape_graft
from medcl.imaging.simulate.session import SEQUENCES, Session, draw_session
from medcl.imaging.simulate.shapes import Points, rotation
from medcl.imaging.simulate.solids import paint_rod
from medcl.imaging.simulate.spoiled_gradient_echo import gradient_echo_signal
from medcl.imaging.simulate.tissues import TISSUES

LABELS = {CORTEX: "cortex", MEDULLA: "medulla", COLLECTING: "collecting system"}
"""Values of the masks; 0 is everything else, the fat of the sinus included."""

PART_TISSUES = {CORTEX: "cortex", MEDULLA: "medulla", COLLECTING: "urine", SINUS_FAT: "fat", CAPSULE_FAT: "fat"}

SUBSAMPLES = np.array([(1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)]) * 0.25
"""Where in a voxel the kidney is looked at, in voxels from its middle."""


@dataclass(frozen=True)
class Patient:
    """What stays a patient's own over all exams; `side` is 1 for a graft on the right, -1 on the left."""

    number: int
    site: str
    recipient: Recipient
    body: Body
    build: Build
    side: float
    place: NDArray[Any]
    turn: NDArray[Any]


@dataclass(frozen=True)
class Exam:
    """One exam with everything that shapes its images."""

    patient: Patient
    visit: Visit
    shape: Allograft
    state: State
    graft: Graft
    contents: Contents
    session: Session
    pose: NDArray[Any]
    t1_spread: dict[str, float]
    fat_left: float
    texture: float
    seed: tuple[int, ...]

    @cached_property
    def concentrations(self) -> dict[str, dict[str, float]]:
        """mmol/L in every tissue, by sequence."""
        return {
            sequence: tissue_concentrations(self.graft, self.state.arterial, self.session.seconds[sequence])
            for sequence in SEQUENCES
        }

    def to_graft(self, points: Points) -> Points:
        """Take points of the patient's frame into the graft's own."""
        x, y, z = (p - np.float32(c) for p, c in zip(points, self.pose[:3, 3], strict=True))
        turn = self.pose[:3, :3].astype(np.float32)
        u, v, w = (turn[0, k] * x + turn[1, k] * y + turn[2, k] * z for k in range(3))
        return u, v, w


@dataclass(frozen=True)
class Image:
    """A stored image and its label map; arrays are indexed (i, j, k) as NIfTI stores them."""

    sequence: str
    voxels: NDArray[np.int16]
    labels: NDArray[np.uint8]
    affine: NDArray[Any]


def draw_patient(seed: int, number: int) -> Patient:
    """Draw patient `number` (from 1) of the study with this seed."""
    random = np.random.default_rng([seed, number])
    recipient = draw_recipient(random)
    side = float(random.choice([-1.0, 1.0]))
    body = draw_body(recipient.surface, recipient.weight / (recipient.height / 100) ** 2, random)
    place = np.array([side * 66.0, 34.0, 18.0]) * body.frame + random.normal(0, [5, 6, 12])
    return Patient(
        number=number,
        site=str(random.choice(["north", "south"], p=[0.6, 0.4])),
        recipient=recipient,
        body=body,
        build=draw_build(random),
        side=side,
        place=place,
        turn=rotation(*random.normal(0, [17, 16, 26])),
    )


def draw_exam(patient: Patient, exam: str, seed: int, coarsen: float = 1.0) -> Exam:
    """Draw one exam of a patient.

    Args:
        patient: from `draw_patient` with the same seed.
        exam: a key of `EXAMS`.
        seed: the study's.
        coarsen: voxels this much larger and fewer, for quick looks.
    """
    key = (seed, patient.number, 1 + list(EXAMS).index(exam))
    random = np.random.default_rng(key)
    visit = draw_visit(patient.recipient, exam, random)
    shape = shape_graft(patient.build, patient.recipient, visit, random)
    state = draw_state(visit, random)
    pose = np.eye(4)
    # The hilum looks back and inwards, the upper pole up and out; a left graft is the mirror image.
    facing = np.array([[0.45, -0.86, 0.24], [0.86, -0.30, -0.42], [0.24, 0.42, 0.88]])
    facing = np.linalg.qr(facing)[0] * np.sign(np.diag(np.linalg.qr(facing)[1]))
    mirror = np.diag([patient.side, 1.0, 1.0])
    pose[:3, :3] = mirror @ patient.turn @ rotation(*random.normal(0, 2.5, 3)) @ facing
    pose[:3, 3] = patient.place + random.normal(0, 2.0, 3)
    return Exam(
        patient=patient,
        visit=visit,
        shape=shape,
        state=state,
        graft=function_of(shape, patient.recipient, visit, state, random),
        contents=draw_contents(patient.body, random),
        session=draw_session(patient.site, pose[:3, 3], state.arterial.arrival, random, coarsen),
        pose=pose,
        t1_spread={name: float(np.exp(random.normal(0, 0.03))) for name in TISSUES},
        fat_left=float(np.exp(random.normal(0, 0.6))),
        texture=float(random.uniform(0.02, 0.06)),
        seed=key,
    )


def render(exam: Exam) -> Iterator[Image]:
    """Yield the images of an exam, one a sequence."""
    for number, sequence in enumerate(SEQUENCES, start=1):
        random = np.random.default_rng((*exam.seed, number))
        session = exam.session
        grid = session.grid.moved(np.linalg.inv(session.placed(sequence)))
        canvas = Canvas(grid, tissue_signals(exam, sequence))
        paint_pelvis(canvas, exam.patient.body, exam.contents)
        _paint_supply(canvas, exam)
        labels = _paint_graft(canvas, exam)
        _add_texture(canvas, exam)
        voxels = session.receiver.record(canvas.image, session.grid, random)
        yield Image(sequence, voxels, labels, session.grid.affine)


def tissue_signals(exam: Exam, sequence: str) -> dict[str, float]:
    """Return the signal of every tissue in one sequence of an exam."""
    protocol = exam.session.protocol
    swollen = {"cortex": exam.state.t1_factor, "medulla": 1 + 0.5 * (exam.state.t1_factor - 1)}
    signals = {}
    for name, tissue in TISSUES.items():
        t1, t2star = tissue.native(protocol.field)
        t1 *= exam.t1_spread[name] * swollen.get(name, 1.0)
        density = tissue.density * (exam.fat_left if name == "fat" else 1.0)
        amount = exam.concentrations[sequence][name]
        pulses = exam.session.inflow_pulses if name == "artery" else np.inf
        signals[name] = float(
            gradient_echo_signal(protocol, density=density, t1=t1, t2star=t2star, concentration=amount, pulses=pulses)
        )
    return signals


def _paint_supply(canvas: Canvas, exam: Exam) -> None:
    """The graft's own artery, vein and ureter."""
    hilum = (exam.pose @ np.array([0.0, 0.75 * exam.shape.radii[1], 0.0, 1.0]))[:3]
    artery = iliac_artery(exam.patient.side, exam.patient.body)
    paint_rod(canvas, "renal_vein", artery[2] + [0, -8, 0], hilum + [0, -3, -5], 4.5)
    paint_rod(canvas, "artery", 0.5 * (artery[1] + artery[2]), hilum + [0, 3, 4], 3.2)
    corner = np.array([exam.patient.side * 24.0, 8.0, -52.0])
    paint_rod(canvas, "urine", hilum, corner, 2.6)


def _paint_graft(canvas: Canvas, exam: Exam) -> NDArray[np.uint8]:
    """Paint the kidney and return the label map."""
    centre = exam.pose[:3, 3]
    radii = np.array(exam.shape.radii) * [1.0, 1.3, 1.0] + exam.shape.fat + 4
    reach = np.sqrt((exam.pose[:3, :3] ** 2) @ radii**2)
    where = canvas.grid.box(centre - reach, centre + reach)
    size = tuple(part.stop - part.start for part in where)
    share = np.zeros((6, *size), dtype=np.float32)
    for offset in SUBSAMPLES:
        parts = exam.shape.parts(exam.to_graft(canvas.grid.points(where, offset)))
        for part in PART_TISSUES:
            share[part] += parts == part
    share /= len(SUBSAMPLES)
    covered = share.sum(axis=0)
    painted = np.zeros(size, dtype=np.float32)
    for part, tissue in PART_TISSUES.items():
        painted += share[part] * np.float32(canvas.signal[tissue])
    canvas.image[where] = canvas.image[where] * (1 - covered) + painted
    share[OUTSIDE] = 1 - share[[CORTEX, MEDULLA, COLLECTING]].sum(axis=0)
    labels = np.zeros(canvas.grid.shape, dtype=np.uint8)
    labels[where] = np.argmax(share[: COLLECTING + 1], axis=0)
    return labels


def _add_texture(canvas: Canvas, exam: Exam) -> None:
    """Soft mottling of all tissue, in the patient's frame, so that it moves with the patient."""
    random = np.random.default_rng((*exam.seed, len(SEQUENCES) + 1))
    mottle = Mottle.draw(random)(canvas.grid.points(canvas.grid.whole()))
    canvas.image *= 1 + np.float32(exam.texture / np.sqrt(2.0)) * mottle
