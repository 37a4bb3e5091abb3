"""Hearts do what their group asks of them, and muscle keeps its volume."""

from __future__ import annotations

import numpy as np
import pytest

from medcl.imaging.simulate.cardiac_function import GROUPS, CardiacPatient, draw_cardiac_patient
from medcl.imaging.simulate.cardiac_tables import wall_thickness
from medcl.imaging.simulate.heartbeat import Heartbeat, draw_heartbeat


@pytest.fixture(scope="module")
def hearts() -> list[tuple[CardiacPatient, Heartbeat]]:
    found = []
    for number in range(1, 16):
        random = np.random.default_rng(number)
        patient = draw_cardiac_patient(0, number, random)
        found.append((patient, draw_heartbeat(patient, random)))
    return found


def test_every_five_patients_hold_every_group_once() -> None:
    for seed in (0, 1):
        groups = [draw_cardiac_patient(seed, n, np.random.default_rng(n)).group for n in range(1, 26)]
        for start in range(0, 25, 5):
            assert set(groups[start : start + 5]) == set(GROUPS)
        assert len({tuple(groups[start : start + 5]) for start in range(0, 25, 5)}) > 1


def test_the_shape_has_the_volumes_that_were_asked_for(hearts: list[tuple[CardiacPatient, Heartbeat]]) -> None:
    for patient, beat in hearts:
        assert beat.diastole.volumes["left"] == pytest.approx(patient.left_volume, rel=0.02)
        assert beat.diastole.volumes["right"] == pytest.approx(patient.right_volume, rel=0.03)
        assert beat.left_ejection == pytest.approx(patient.left_ejection, abs=1)
        assert beat.right_ejection == pytest.approx(patient.right_ejection, abs=1.5)


def test_muscle_keeps_its_volume_and_thickens(hearts: list[tuple[CardiacPatient, Heartbeat]]) -> None:
    for _, beat in hearts:
        assert beat.systole.volumes["wall"] == pytest.approx(beat.diastole.volumes["wall"], rel=0.02)
        assert beat.systole.wall > 1.05 * beat.diastole.wall
        assert beat.systole.base < -1
        # The apex stays where it is.
        assert beat.systole.base - beat.systole.length == pytest.approx(-beat.diastole.length)


def test_groups_are_what_their_definitions_say(hearts: list[tuple[CardiacPatient, Heartbeat]]) -> None:
    for patient, beat in hearts:
        left, right = (beat.diastole.volumes[side] / patient.surface for side in ("left", "right"))
        wall = wall_thickness(beat.diastole)
        if patient.group == "normal":
            assert beat.left_ejection > 50
            assert wall["thickest"] < 13
        elif patient.group == "dilated":
            assert left > 100
            assert beat.left_ejection < 40
        elif patient.group == "hypertrophic":
            assert wall["thickest"] > 15
            assert beat.left_ejection > 50
        elif patient.group == "infarction":
            assert wall["thinnest"] < 0.75 * patient.wall
            assert beat.left_ejection < 41
        else:
            assert right > 105


def test_a_scar_neither_thickens_nor_moves_inwards(hearts: list[tuple[CardiacPatient, Heartbeat]]) -> None:
    checked = 0
    for patient, beat in hearts:
        if patient.group != "infarction":
            continue
        scar = beat.diastole.regions[-1]
        at = np.array([np.deg2rad(scar.angle)], dtype=np.float32), np.array([scar.level], dtype=np.float32)
        across = at[0] + np.float32(np.pi), at[1]
        still = beat.systole.thickness(*at) / beat.diastole.thickness(*at)
        moving = beat.systole.thickness(*across) / beat.diastole.thickness(*across)
        assert still == pytest.approx(1, abs=0.03)
        assert moving > 1.1
        assert beat.systole.inner_radius(*at) == pytest.approx(beat.diastole.inner_radius(*at), rel=0.03)
        checked += 1
    assert checked == 3
