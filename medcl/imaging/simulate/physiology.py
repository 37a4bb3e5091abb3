"""How a graft's looks and its handling of contrast agent follow GFR, donor age and rejection, and what else sways them.

Every cue that GFR leaves in the image is also moved by something else: size by the donor's body, donor age, time since
surgery (hypertrophy) and swelling; cortical thickness by donor age and rejection; native T1 by swelling; enhancement by
the arterial curve, hydration and the kidney's volume. Coefficients are of the order of clinical reports (graft volume
grows by a fifth in months; parenchyma shrinks some 0.5% a year of donor age; filtration fraction about 0.2), not
fitted to any.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medcl.imaging.simulate.allograft import COLLECTING, CORTEX, MEDULLA, Allograft
from medcl.imaging.simulate.arterial_input import ArterialInput
from medcl.imaging.simulate.clinical import Recipient, Visit
from medcl.imaging.simulate.filtration import Graft

REFERENCE_GFR = 55.0
REFERENCE_DONOR_AGE = 52

DOSE = 0.5
"""Dose relative to the arterial curve's 0.1 mmol/kg: half of it, so that urine stays below the reach of T2*."""


@dataclass(frozen=True)
class Build:
    """What is a patient's own in the graft's shape: factors round 1, and the pyramids (angle, place, width)."""

    size: float
    thickness: float
    pelvis: float
    fat: float
    pyramids: tuple[tuple[float, float, float], ...]


def draw_build(random: np.random.Generator) -> Build:
    """Draw one graft's own shape: two polar pyramids and three rows along the convex border."""
    pyramids = [(0.0, end * 0.95, float(random.normal(1.12, 0.05))) for end in (-1, 1)]
    for place in (-0.5, 0.0, 0.5):
        for row in (-64.0, 0.0, 64.0):
            jitter = random.normal(0, 1, 3)
            pyramids.append(
                (float(row + 6 * jitter[0]), float(place + 0.06 * jitter[1]), float(0.96 + 0.06 * jitter[2]))
            )
    factor = np.exp(random.normal(0, [0.15, 0.09, 0.42]))
    return Build(float(factor[0]), float(factor[1]), float(factor[2]), float(random.uniform(2.0, 7.0)), tuple(pyramids))


def shape_graft(build: Build, recipient: Recipient, visit: Visit, random: np.random.Generator) -> Allograft:
    """Return the graft's shape at one exam."""
    function = visit.gfr / REFERENCE_GFR
    older = recipient.donor_age - REFERENCE_DONOR_AGE
    swelling = 1 + 0.14 * visit.rejection + 0.10 * visit.early
    hypertrophy = 1 + 0.18 * (1 - np.exp(-visit.days / 60.0))
    volume = 150.0 * build.size * recipient.donor_size * hypertrophy * swelling * (1 - 0.004 * older) * function**0.12
    thickness = 6.7 * build.thickness * (volume / 165.0) ** (1 / 3)
    thickness *= (1 - 0.006 * older) * (1 + 0.20 * visit.rejection) * function**0.10
    return Allograft(
        volume=float(np.clip(volume, 90.0, 300.0)),
        cortex=float(np.clip(thickness, 4.0, 10.5)),
        sinus=float(np.clip(1 + 0.014 * older, 0.6, 1.5)),
        pelvis=float(np.clip(build.pelvis * np.exp(random.normal(0, 0.15)) * function**0.15, 0.45, 2.5)),
        pyramids=build.pyramids,
        fat=build.fat,
    )


@dataclass(frozen=True)
class State:
    """The circulation on the day of an exam: arterial curve, hydration (round 1), and swelling's share of longer T1."""

    arterial: ArterialInput
    hydration: float
    t1_factor: float
    filtration_fraction: float


def draw_state(visit: Visit, random: np.random.Generator) -> State:
    """Draw what differs from day to day and not with GFR, except a native T1 that rises as function falls."""
    function = visit.gfr / REFERENCE_GFR
    return State(
        ArterialInput(
            dose=float(DOSE * np.exp(random.normal(0, 0.16))),
            cardiac_output=float(np.exp(random.normal(0, 0.20))),
            hematocrit=float(np.clip(random.normal(0.35, 0.04), 0.24, 0.46)),
            arrival=float(random.uniform(8, 16)),
        ),
        hydration=float(np.exp(random.normal(0, 0.20))),
        t1_factor=float(
            (1 + 0.14 * visit.rejection + 0.06 * visit.early) * function**-0.06 * np.exp(random.normal(0, 0.04))
        ),
        filtration_fraction=float(0.20 * np.exp(random.normal(0, 0.14))),
    )


def function_of(
    shape: Allograft, recipient: Recipient, visit: Visit, state: State, random: np.random.Generator
) -> Graft:
    """Return the filtration model's parameters of a graft.

    Plasma flow is filtration / filtration fraction, less what rejection closes; transit shortens with hydration.
    """
    volumes = shape.volumes
    filtration = visit.gfr * recipient.surface / 1.73
    flow = filtration / state.filtration_fraction / volumes[CORTEX]
    # Autoregulation: flow falls less than in proportion to filtration.
    flow = 2.0 * (flow / 2.0) ** 0.6 * (1 - 0.45 * visit.rejection)
    pace = np.exp(random.normal(0, 0.10, 3)) / state.hydration
    return Graft(
        filtration=float(filtration),
        plasma_flow=float(flow),
        plasma_volume=float(np.clip(random.normal(0.26, 0.025), 0.18, 0.34)),
        vasa_recta=float(np.clip(random.normal(0.08, 0.012), 0.05, 0.12)),
        vasa_recta_transit=float(random.uniform(12, 22)),
        proximal_transit=float(55 * pace[0]),
        medullary_transit=float(48 * pace[1]),
        pelvic_transit=float(240 * pace[2]),
        loop_delay=float(17 * np.exp(random.normal(0, 0.3)) / state.hydration),
        cortex_ml=volumes[CORTEX],
        medulla_ml=volumes[MEDULLA],
        urine_ml=volumes[COLLECTING],
    )
