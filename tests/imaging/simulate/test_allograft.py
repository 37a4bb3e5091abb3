"""The kidney's shape: volumes and the order of its parts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from medcl.imaging.simulate.allograft import CAPSULE_FAT, COLLECTING, CORTEX, MEDULLA, SINUS_FAT, Allograft
from medcl.imaging.simulate.physiology import draw_build

KIDNEY = Allograft(165.0, 6.7, 1.0, 1.0, draw_build(np.random.default_rng(3)).pyramids, 4.0)


def test_the_parts_add_up_to_the_bean() -> None:
    volumes = KIDNEY.volumes
    whole = volumes[CORTEX] + volumes[MEDULLA] + volumes[COLLECTING] + volumes[SINUS_FAT]
    assert whole == pytest.approx(165.0, rel=0.03)


def test_the_parts_are_as_large_as_in_people() -> None:
    volumes = KIDNEY.volumes
    assert 0.5 < volumes[CORTEX] / 165.0 < 0.75
    assert 0.18 < volumes[MEDULLA] / 165.0 < 0.35
    assert 3.0 < volumes[COLLECTING] < 16.0
    assert 100.0 < 2 * KIDNEY.radii[2] < 125.0


def test_cortex_lies_outermost_all_round_but_at_the_hilum() -> None:
    a, b, _ = KIDNEY.radii
    line = np.linspace(0, 1.0, 200, dtype=np.float32)
    zero = np.zeros_like(line)
    lateral = KIDNEY.parts((zero, -line * b, zero))
    assert lateral[-12] == CORTEX
    assert MEDULLA in lateral
    front = KIDNEY.parts((line * a, zero, zero))
    assert front[-12] == CORTEX
    hilum = KIDNEY.parts((zero, line * b, zero))
    assert not np.isin(hilum[-30:], (CORTEX, MEDULLA)).any()


def test_there_are_several_pyramids_apart_from_each_other() -> None:
    from scipy.ndimage import label

    line = np.arange(-66, 66, 1.0, dtype=np.float32)
    parts = KIDNEY.parts((line[:, None, None], line[None, :, None], line[None, None, :]))
    pieces, count = label(parts == MEDULLA)
    sizes = np.bincount(pieces.ravel())[1:] / 1000.0
    assert (sizes > 1.0).sum() >= 8
    assert count < 30


@pytest.mark.parametrize(
    ("change", "part", "grows"),
    [
        ({"cortex": 8.5}, CORTEX, True),
        ({"cortex": 8.5}, MEDULLA, False),
        ({"sinus": 1.5}, SINUS_FAT, True),
        ({"pelvis": 2.0}, COLLECTING, True),
        ({"fat": 7.0}, CAPSULE_FAT, True),
        ({"volume": 220.0}, MEDULLA, True),
    ],
)
def test_every_measure_of_the_shape_does_what_it_says(change: dict[str, float], part: int, grows: bool) -> None:
    before, after = KIDNEY.volumes[part], replace(KIDNEY, **change).volumes[part]
    assert (after > 1.05 * before) if grows else (after < 0.95 * before)


def test_nothing_reaches_past_its_reach() -> None:
    line = np.arange(-90, 90, 2.0, dtype=np.float32)
    points = (line[:, None, None], line[None, :, None], line[None, None, :])
    radius = np.sqrt(sum(p * p for p in points))
    assert not KIDNEY.parts(points)[radius > KIDNEY.reach + 2].any()
