"""What a CT scanner stores: integers with the noise of their dose, and the mean left as it was."""

from __future__ import annotations

import numpy as np
import pytest

from medcl.imaging.simulate.ct_detector import REFERENCE_MM, STORED, WATER_PER_MM, Detector, draw_detector


def recorded(value: float, dose: float = 1.0, kernel: float = 0.7, thickness: float = REFERENCE_MM) -> np.ndarray:
    image = np.full((64, 64, 4), value, dtype=np.float32)
    return Detector(dose, kernel).record(image, thickness, np.random.default_rng(0))


def test_the_mean_stays_and_the_noise_is_what_is_told() -> None:
    stored = recorded(50.0)
    assert stored.dtype == np.int16
    assert stored.mean() == pytest.approx(50, abs=0.5)
    assert stored.std() == pytest.approx(Detector(1.0, 0.7).noise(REFERENCE_MM), rel=0.03)


def test_noise_follows_dose_and_thickness() -> None:
    assert recorded(50.0, dose=4.0).std() == pytest.approx(0.5 * recorded(50.0).std(), rel=0.03)
    one, thicker = Detector(1.0, 0.7).noise(280.0), Detector(1.0, 0.7).noise(320.0)
    # Not by more than attenuation alone would make it, since exposure control makes up for a part.
    assert 1 < thicker / one < np.exp(0.5 * WATER_PER_MM * 40)


def test_neighbours_noise_is_alike_and_little_is_left_at_low_frequencies() -> None:
    noise = recorded(0.0, dose=0.1).astype(float)
    beside = np.corrcoef(noise[1:].ravel(), noise[:-1].ravel())[0, 1]
    assert beside > 0.1
    power = (np.abs(np.fft.fft2(noise, axes=(0, 1))) ** 2).mean(axis=2)
    step = np.abs(np.fft.fftfreq(64))
    frequency = np.hypot(step[:, None], step[None, :])
    low, middle = (frequency > 0) & (frequency < 0.05), (frequency > 0.15) & (frequency < 0.3)
    assert power[low].mean() < 0.25 * power[middle].mean()


def test_a_sharper_kernel_blurs_less() -> None:
    image = np.zeros((32, 32, 1), dtype=np.float32)
    image[16:] = 1000
    widths = [
        float(Detector(1e6, kernel).record(image, 280.0, np.random.default_rng(0))[15, 16, 0]) for kernel in (0.9, 0.5)
    ]
    assert widths[0] < widths[1]


def test_what_the_scanner_cannot_store_is_cut_off() -> None:
    assert recorded(9000.0).max() == STORED[1]
    assert recorded(-3000.0).min() == STORED[0]


def test_acquisitions_differ() -> None:
    one, other = (draw_detector(np.random.default_rng(seed)) for seed in (0, 1))
    assert one.dose != other.dose
    assert one.kernel != other.kernel
