"""Colour scales read in black and white; classes stay apart for colour-blind readers; nothing heavy is
imported."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from medcl.figures.colours import (
    CLASS_COLOURS,
    CLASS_SYMBOLS,
    COLOUR_SCALES,
    MISSING_COLOUR,
    MISSING_SYMBOL,
    colour_at,
    plotly_scale,
)

# Machado, Oliveira, Fernandes (2009), severity 1.0, on linear RGB
DEUTERANOPIA = np.array(
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
)


def linear(colour: str) -> np.ndarray:
    channels = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def lightness(colour: str) -> float:
    """CIE L* from 0 (black) to 100 (white)."""
    luminance = float(linear(colour) @ [0.2126, 0.7152, 0.0722])
    return 116 * luminance ** (1 / 3) - 16 if luminance > 0.008856 else 903.3 * luminance


def test_lightness_of_white_and_black() -> None:
    assert lightness("#ffffff") == pytest.approx(100, abs=0.01)
    assert lightness("#000000") == 0


@pytest.mark.parametrize("name", COLOUR_SCALES)
def test_lightness_only_rises(name: str) -> None:
    along = np.array([lightness(colour_at(name, share)) for share in np.linspace(0, 1, 101)])
    assert (np.diff(along) > 0).all()
    assert along[-1] - along[0] > 60


@pytest.mark.parametrize("name", COLOUR_SCALES)
def test_ends_and_clipping(name: str) -> None:
    stops = COLOUR_SCALES[name].stops
    assert colour_at(name, 0) == colour_at(name, -3) == stops[0]
    assert colour_at(name, 1) == colour_at(name, 7) == stops[-1]
    assert colour_at(name, 3 / (len(stops) - 1)) == stops[3]
    assert plotly_scale(name)[0] == (0.0, stops[0])
    assert plotly_scale(name)[-1] == (1.0, stops[-1])


def test_colour_between_two_stops_is_their_middle() -> None:
    stops = COLOUR_SCALES["viridis"].stops
    middle = colour_at("viridis", 0.5 / (len(stops) - 1))
    for place in (1, 3, 5):
        ends = int(stops[0][place : place + 2], 16), int(stops[1][place : place + 2], 16)
        assert abs(int(middle[place : place + 2], 16) - sum(ends) / 2) <= 0.5


def test_classes_stay_apart_with_deuteranopia() -> None:
    seen = [np.clip(DEUTERANOPIA @ linear(colour), 0, 1) ** (1 / 2.2) for colour in CLASS_COLOURS]
    apart = [np.abs(seen[i] - seen[j]).max() for i in range(len(seen)) for j in range(i)]
    assert min(apart) > 0.09


def test_every_class_has_a_colour_and_a_shape_of_its_own() -> None:
    assert len(set(CLASS_COLOURS)) == len(set(CLASS_SYMBOLS)) == len(CLASS_COLOURS) == 8
    assert MISSING_COLOUR not in CLASS_COLOURS
    assert MISSING_SYMBOL not in CLASS_SYMBOLS


def test_registry_imports_nothing_heavy() -> None:
    code = (
        "import sys, medcl.figures.colours; print([m for m in ('torch','plotly','numpy','pandas') if m in sys.modules])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )
