"""An abdomen in the scanner: from seed and patient number to one CT or MR image, its label map and the truth.

Random draws have one generator for the person, one for the acquisition and one for the noise, keyed by (seed, patient,
stream), so that neither the number of patients nor the order of the work changes any image. Streams count from 1, since
numpy takes a key that ends in 0 for the same key without it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medcl.imaging.simulate.abdomen_anatomy import ORGANS, Belly, draw_anatomy, paint_anatomy
from medcl.imaging.simulate.abdomen_person import AbdomenPerson, draw_abdomen_person
from medcl.imaging.simulate.abdomen_session import ABDOMEN_SCANNERS, AbdomenSession, draw_abdomen_session
from medcl.imaging.simulate.abdomen_tissues import draw_belly_signals
from medcl.imaging.simulate.abdomen_trunk import BOTTOM, TOP
from medcl.imaging.simulate.canvas import Canvas
from medcl.imaging.simulate.coil import Receiver, draw_receiver
from medcl.imaging.simulate.ct_detector import Detector, draw_detector
from medcl.imaging.simulate.hounsfield import draw_hounsfield
from medcl.imaging.simulate.mottle import Mottle
from medcl.imaging.simulate.organ_canvas import OrganCanvas, label_map
from medcl.imaging.simulate.shapes import Points

PARTS = 2
"""How many planes within the thickness of a slice are looked at."""

TEXTURE_HU = 3.5
"""How uneven soft tissue is in CT: standard deviation in HU."""

WAVES, WAVE_MM = 8, 32.0
"""Number and length of the waves of that."""

FIELD, FIELD_MM, FIELD_WAVES = (0.12, 0.32), 330.0, 3
"""How uneven the excitation is in MR, as the logarithm's standard deviation, and over what length. Chosen."""

COUCH_MM, COUCH_RADIUS_MM = 14.0, 420.0
"""Thickness of the couch of a CT scanner, and how it is curved."""


@dataclass(frozen=True)
class Abdomen:
    """A patient's anatomy and acquisition.

    Args:
        person: who it is.
        belly: the anatomy.
        session: how it is scanned.
        signal: of each tissue: HU in CT, arbitrary units in MR.
        device: what stores the image.
        mottle: unevenness of all tissue.
        texture: how strong that is, as a share, in MR.
        field: unevenness of the excitation in MR, and how strong it is, as the logarithm's standard deviation.
        seed: of the study, and the patient's number.
    """

    person: AbdomenPerson
    belly: Belly
    session: AbdomenSession
    signal: dict[str, float]
    device: Detector | Receiver
    mottle: Mottle
    texture: float
    field: tuple[Mottle, float]
    seed: tuple[int, int]

    @property
    def size(self) -> tuple[float, float]:
        """Width and depth of the body in mm."""
        return body_size(self.belly)


@dataclass(frozen=True)
class AbdomenImage:
    """A stored image and its label map; arrays are indexed (i, j, k) as NIfTI stores them.

    `volumes` are the organs' in mL by label, as painted: those of the label map but for its rounding to voxels.
    """

    voxels: NDArray[np.int16]
    labels: NDArray[np.uint8]
    affine: NDArray[Any]
    volumes: dict[int, float]


def body_size(belly: Belly) -> tuple[float, float]:
    """Return a body's width and depth in mm at the height of the kidneys."""
    trunk = belly.trunk
    side, front, back = trunk.fat
    return 2 * (trunk.width + trunk.wall + side), trunk.front + trunk.back + 3.9 * trunk.wall + front + back


def draw_abdomen(seed: int, number: int, coarsen: float = 1.0) -> Abdomen:
    """Draw patient `number` (from 1) of the study with this seed; `coarsen` makes pixels larger for quick looks."""
    random = np.random.default_rng((seed, number, 1))
    person = draw_abdomen_person(number, random)
    belly = draw_anatomy(person, random)
    scan = np.random.default_rng((seed, number, 2))
    session = draw_abdomen_session(person.modality, person.site, body_size(belly), belly.extent, scan, coarsen)
    scanner = ABDOMEN_SCANNERS[session.scanner]
    device: Detector | Receiver
    if scanner.protocol is None:
        portal = person.sequence == "portal"
        signal = draw_hounsfield(portal=portal, liver_fat=person.liver_fat, age=person.age, random=scan)
        device = draw_detector(scan)
    else:
        signal = draw_belly_signals(scanner.protocol, person.liver_fat, scan)
        device = _receiver(scanner.shading, body_size(belly), scan)
    return Abdomen(
        person=person,
        belly=belly,
        session=session,
        signal=signal,
        device=device,
        mottle=Mottle.draw(scan, length=WAVE_MM, count=WAVES),
        texture=float(scan.uniform(0.02, 0.06)),
        field=(Mottle.draw(scan, length=FIELD_MM, count=FIELD_WAVES), float(scan.uniform(*FIELD))),
        seed=(seed, number),
    )


def render_abdomen(abdomen: Abdomen) -> AbdomenImage:
    """Return the image of a patient."""
    grid, session = abdomen.session.grid, abdomen.session
    image = np.zeros(grid.shape, dtype=np.float32)
    labels = np.zeros(grid.shape, dtype=np.uint8)
    painted = dict.fromkeys(ORGANS, 0.0)
    for k in range(grid.shape[2]):
        slab = session.slab(k, PARTS)
        canvas = OrganCanvas(slab, abdomen.signal, tuple(ORGANS), edge=float(grid.spacing[0]))
        if abdomen.person.modality == "ct":
            _paint_couch(canvas, abdomen)
        paint_anatomy(canvas, abdomen.belly)
        flat, shares = canvas.flat()
        image[:, :, k] = _uneven(abdomen, flat, canvas)
        labels[:, :, k] = label_map(shares)
        for label, share in shares.items():
            painted[label] += float(share.sum(dtype=np.float64))
    unit = float(grid.spacing.prod()) / 1000.0
    volumes = {label: count * unit for label, count in painted.items()}
    return AbdomenImage(_stored(abdomen, image), labels, grid.affine, volumes)


def _stored(abdomen: Abdomen, image: NDArray[Any]) -> NDArray[np.int16]:
    random = np.random.default_rng((*abdomen.seed, 3))
    if isinstance(abdomen.device, Detector):
        return abdomen.device.record(image, float(np.sqrt(np.prod(abdomen.size))), random)
    return abdomen.device.record(image, abdomen.session.grid, random)


def _uneven(abdomen: Abdomen, image: NDArray[Any], canvas: OrganCanvas) -> NDArray[Any]:
    """Mottling of tissue: a share of the signal in MR, so many HU in CT, where air has none."""
    where = (*canvas.grid.whole()[:2], slice(0, 1))
    here = abdomen.mottle(canvas.points(where))[..., 0] / np.float32(np.sqrt(WAVES / 2))
    if abdomen.person.modality == "mr":
        waves, strength = abdomen.field
        slow = waves(canvas.points(where))[..., 0] * np.float32(strength / np.sqrt(FIELD_WAVES / 2))
        return np.asarray(image * (1 + np.float32(abdomen.texture) * here) * np.exp(slow))
    return np.asarray(image + np.float32(TEXTURE_HU) * here * np.clip((image + 200) / 100, 0, 1))


def _paint_couch(canvas: Canvas, abdomen: Abdomen) -> None:
    """A curved plate that the patient lies on."""
    trunk = abdomen.belly.trunk
    behind = -(trunk.back + 2.9 * trunk.wall + trunk.fat[2])
    middle = behind - 4.0 + COUCH_RADIUS_MM

    def distance(points: Points) -> NDArray[Any]:
        away = np.hypot(points[0], points[1] - np.float32(middle)) - np.float32(COUCH_RADIUS_MM + 0.5 * COUCH_MM)
        return np.asarray(np.abs(away) - np.float32(0.5 * COUCH_MM))

    canvas.solid("couch", (-210, behind - 4 - COUCH_MM, BOTTOM), (210, behind + 55, TOP), distance)


def _receiver(shading: tuple[float, float], size: tuple[float, float], random: np.random.Generator) -> Receiver:
    drawn = draw_receiver(shading, random)
    # The coil lies on the body: farther out in front and behind of large people, and over the belly's middle.
    near = drawn.elements * [1.0, 0.5 * size[1] / 115.0, 1.0] + [0.0, 0.0, 35.0]
    return replace(
        drawn,
        elements=near,
        gain=float(2200 * np.exp(random.normal(0, 0.4))),
        noise=float(np.exp(random.uniform(np.log(0.004), np.log(0.012)))),
    )
