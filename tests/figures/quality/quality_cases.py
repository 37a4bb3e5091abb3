"""Small images for the tests of the quality page: alike but for noise, with a manifest's line each."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from medcl.figures.quality.image import QualityImage, judged
from medcl.figures.quality.measure import measure
from medcl.imaging.stored_volume import StoredVolume

SHAPE = (6, 8, 10)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# fmt: off
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--proxy-server=127.0.0.1:9",
    "--virtual-time-budget=5000", "--enable-logging=stderr", "--dump-dom",
)
# fmt: on
"""Every connection would end at a closed port; what the page writes on its console comes out on stderr."""


def entry(number: int = 0, **changed: object) -> StoredVolume:
    """A line of the manifest; the sizes are those of the volumes below."""
    patient, exam = f"P{number // 2}", ("D15", "M3")[number % 2]
    plain = StoredVolume(
        case=f"{patient}_{exam}", patient=patient, exam=exam, sequence="water", modality="mr", site="north",
        file=f"volumes/{patient}_{exam}.npy", label_file="", shape=SHAPE, spacing=(3.0, 2.0, 1.0),
        affine=tuple(np.diag([1.0, 2.0, 3.0, 1.0]).ravel().tolist()), content=f"c{number}", label_content="",
        recipe="r", key=f"k{number}", source_shape=SHAPE, source_spacing=(3.0, 2.0, 1.0), region_shape=SHAPE,
        low=0.0, q01=1.0, median=50.0, q99=90.0, high=100.0,
    )  # fmt: skip
    return replace(plain, **changed)  # type: ignore[arg-type]


def voxels(number: int, mean: float = 0.5, spread: float = 0.1) -> NDArray[np.float32]:
    """Noise around a mean, all above 0."""
    noise = np.random.default_rng(number).normal(mean, spread, SHAPE)
    return np.clip(noise, 0.01, 0.99).astype(np.float32)


def cohort(count: int, odd: dict[int, float] | None = None, **changed: object) -> list[QualityImage]:
    """Judged images of which some, by number, have another mean."""
    entries = [entry(number, **changed) for number in range(count)]
    found = [
        measure(voxels(number, mean=(odd or {}).get(number, 0.5)), None, line) for number, line in enumerate(entries)
    ]
    return judged([line.patient for line in entries], entries, found)


def browsed(html: str, script: str, folder: Path) -> tuple[str, list[str]]:
    """The page as Chromium makes it after a script at its end, and what it wrote on its console."""
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed")
    file = folder / "page.html"
    file.write_text(html.replace("</body>", f"<script>{script}</script></body>"), encoding="utf-8")
    words = [CHROMIUM, *QUIET, f"--user-data-dir={folder / 'profile'}", file.as_uri()]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]
