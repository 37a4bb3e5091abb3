"""A heart in the scanner: from seed and patient number to cine images at end-diastole and end-systole, and the truth.

Random draws have one generator for the patient, one for the acquisition and one for each phase, keyed by (seed,
patient, stream), so that neither the number of patients nor the order of the work changes any image. Streams count
from 1, since numpy takes a key that ends in 0 for the same key without it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medcl.imaging.simulate.balanced_steady_state import balanced_signal
from medcl.imaging.simulate.canvas import Canvas
from medcl.imaging.simulate.cardiac_function import CardiacPatient, draw_cardiac_patient
from medcl.imaging.simulate.cardiac_tissues import CINE_TISSUES
from medcl.imaging.simulate.cine_session import CineSession, draw_cine_session
from medcl.imaging.simulate.heart_painting import HeartLook, draw_look, paint_heart
from medcl.imaging.simulate.heartbeat import Heartbeat, draw_heartbeat
from medcl.imaging.simulate.mottle import Mottle
from medcl.imaging.simulate.shapes import Points, rotation
from medcl.imaging.simulate.thorax import Thorax, draw_thorax, paint_thorax
from medcl.imaging.simulate.ventricles import APEX_WALL

PHASES = ("ED", "ES")
"""The exams: end-diastole and end-systole of one acquisition."""

RIGHT, MYOCARDIUM, LEFT = 1, 2, 3
"""Values of the masks, in ACDC's order: cavity of the right ventricle, wall and cavity of the left."""

PARTS = 3
"""How many planes within the thickness of a slice are looked at."""

LONG_AXIS = (0.83, -0.42, 0.36)
"""From apex to base in RAS+: to the right, back and up. Rather more to the side than in most people, so that slices are
counted along the same canonical axis (right-left) in nearly all patients."""

TOWARDS_SEPTUM = (0.46, 0.88, -0.05)
"""From the left ventricle's axis to the right ventricle in RAS+; made perpendicular to the long axis."""

FLOW, FLOW_MM = 0.07, 30.0
"""How uneven flowing blood is, as a share, and length in mm of the waves of that."""

BLOOD = ("left_blood", "right_blood", "vessel")


@dataclass(frozen=True)
class Heart:
    """A patient's heart, chest and acquisition.

    Args:
        patient: who it is and what the heart is to do.
        beat: its shapes.
        pose: 4x4 from the heart's frame to the patient's, mm.
        chest: what lies around.
        look: what lies in and beside the ventricles.
        session: how it is scanned.
        signal: of each tissue in each phase, on resonance.
        mottle: unevenness of all tissue.
        flow: unevenness of the blood in the ventricles in each phase.
        texture: how strong that is.
        seed: of the study, and the patient's number.
    """

    patient: CardiacPatient
    beat: Heartbeat
    pose: NDArray[Any]
    chest: Thorax
    look: HeartLook
    session: CineSession
    signal: dict[str, dict[str, float]]
    mottle: Mottle
    flow: dict[str, Mottle]
    texture: float
    seed: tuple[int, int]


@dataclass(frozen=True)
class CineImage:
    """A stored image and its label map; arrays are indexed (i, j, k) as NIfTI stores them."""

    exam: str
    voxels: NDArray[np.int16]
    labels: NDArray[np.uint8]
    affine: NDArray[Any]


def draw_heart(seed: int, number: int, coarsen: float = 1.0) -> Heart:
    """Draw patient `number` (from 1) of the study with this seed; `coarsen` makes pixels larger for quick looks."""
    random = np.random.default_rng((seed, number, 1))
    patient = draw_cardiac_patient(seed, number, random)
    beat = draw_heartbeat(patient, random)
    shape = beat.diastole
    pose = np.eye(4)
    pose[:3, :3] = rotation(*random.normal(0, 5, 3)) @ _axes() @ rotation(0, 0, float(random.normal(0, 14)))
    # The middle of the left ventricle is the origin of the patient's frame.
    pose[:3, 3] = pose[:3, 2] * 0.45 * shape.length
    chest = draw_thorax(patient.surface, patient.fatness, shape.outer, random)
    look = draw_look(patient.fatness, pose, random)
    scan = np.random.default_rng((seed, number, 2))
    session = draw_cine_session(patient.site, pose, shape.length + APEX_WALL * shape.wall, scan, coarsen)
    return Heart(
        patient=patient,
        beat=beat,
        pose=pose,
        chest=chest,
        look=look,
        session=session,
        signal=_signals(session, scan),
        mottle=Mottle.draw(scan),
        flow={exam: Mottle.draw(scan, FLOW_MM) for exam in PHASES},
        texture=float(scan.uniform(0.02, 0.07)),
        seed=(seed, number),
    )


def render_heart(heart: Heart) -> Iterator[CineImage]:
    """Yield the image of each phase."""
    grid, session = heart.session.grid, heart.session
    images = {exam: np.zeros(grid.shape, dtype=np.float32) for exam in PHASES}
    labels = {exam: np.zeros(grid.shape, dtype=np.uint8) for exam in PHASES}
    for k in range(grid.shape[2]):
        slab = session.slab(k, PARTS)
        empty = Canvas(slab, heart.signal["ED"], edge=float(grid.spacing[0]))
        paint_thorax(empty, heart.chest)
        middle = slab.points((*slab.whole()[:2], slice(PARTS // 2, PARTS // 2 + 1)))
        uneven = _uneven(heart, middle)[..., 0]
        for exam in PHASES:
            canvas = empty.copied(heart.signal[exam]).seen_from(np.linalg.inv(heart.pose))
            where, share = paint_heart(canvas, heart.beat.at(exam), heart.look)
            planes = {name: part.mean(axis=2) for name, part in share.items() if part.size}
            image = canvas.image.mean(axis=2)
            if planes:
                labels[exam][where[0], where[1], k] = _majority(planes)
                blood = np.zeros_like(image)
                blood[where[:2]] = planes["left"] + planes["right"]
                blood *= np.float32(heart.signal[exam]["left_blood"])
                image += _ghosts(blood, session) + blood * np.float32(FLOW) * heart.flow[exam](middle)[..., 0]
            images[exam][:, :, k] = image * uneven
    for number, exam in enumerate(PHASES, start=3):
        random = np.random.default_rng((*heart.seed, number))
        yield CineImage(exam, session.receiver.record(images[exam], grid, random), labels[exam], grid.affine)


def _axes() -> NDArray[Any]:
    """Columns: septum, anterior, base, in RAS+."""
    base = np.array(LONG_AXIS) / np.linalg.norm(LONG_AXIS)
    septum = np.array(TOWARDS_SEPTUM) - base * (base @ TOWARDS_SEPTUM)
    septum /= np.linalg.norm(septum)
    return np.column_stack([septum, np.cross(base, septum), base])


def _signals(session: CineSession, random: np.random.Generator) -> dict[str, dict[str, float]]:
    """Signals of all tissues; blood differs from place to place and from phase to phase by flow and oxygen."""
    steady = {}
    for name, tissue in CINE_TISSUES.items():
        t1, t2 = np.exp(random.normal(0, [0.05, 0.08]))
        steady[name] = tissue.changed(float(t1), float(t2)).signal(session.protocol)
    phases = {}
    for exam in PHASES:
        phases[exam] = steady | {name: steady[name] * float(np.exp(random.normal(0, 0.07))) for name in BLOOD}
    return phases


def _majority(share: dict[str, NDArray[Any]]) -> NDArray[np.uint8]:
    """The label that takes the most of each voxel."""
    parts = np.zeros((4, *share["left"].shape), dtype=np.float32)
    parts[RIGHT], parts[MYOCARDIUM], parts[LEFT] = share["right"], share["wall"], share["left"]
    parts[0] = 1 - parts[1:].sum(axis=0)
    return np.asarray(parts.argmax(axis=0), dtype=np.uint8)


def _ghosts(blood: NDArray[Any], session: CineSession) -> NDArray[Any]:
    """Copies of pulsating blood along the phase-encoding direction, folded at the edge of the field of view."""
    strength, share = session.ghost
    shift = round(share * blood.shape[session.phase_axis])
    both = np.roll(blood, shift, session.phase_axis) + np.roll(blood, -shift, session.phase_axis)
    return np.asarray(np.float32(strength) * both)


def _uneven(heart: Heart, points: Points) -> NDArray[Any]:
    """Mottling of tissue times the loss of signal off resonance, which is taken from muscle for all tissues."""
    x, y, z = points
    middle, slope_x, slope_y, slope_z, bowl = (np.float32(value) for value in heart.session.field)
    hertz = middle + slope_x * x + slope_y * y + slope_z * z + bowl * (x * x + y * y + z * z) / np.float32(100.0**2)
    protocol = heart.session.protocol
    column = {1.5: 0, 3.0: 1}[protocol.field]
    muscle = CINE_TISSUES["muscle"]
    # One period of the signal's curve, looked up.
    turn = 1000.0 / protocol.repetition_time
    known = np.linspace(0, turn, 257)
    curve = balanced_signal(protocol, density=1.0, t1=muscle.t1[column], t2=muscle.t2[column], off_resonance=known)
    band = np.interp(hertz % turn, known, curve / curve[0]).astype(np.float32)
    return np.asarray(band * (1 + np.float32(heart.texture / np.sqrt(2.0)) * heart.mottle(points)))
