"""The baseline of pixels: from the preprocessed images, in the order of the exams, found on training patients alone."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from medcl.evaluation.feature_table import FeatureWriter, write_card
from medcl.study.errors import BadInput
from medcl.workflows import evaluate_pixels
from medcl.workflows.evaluate import Evaluated, EvaluateOptions, evaluate
from medcl.workflows.evaluate_pixels import coarse


def features(study: Path, patients: int = 12) -> None:
    (study / "features").mkdir()
    with (study / "features" / "a.csv").open("w", newline="") as file:
        writer = FeatureWriter(file, 2)
        for number in range(patients, 0, -1):  # another order than the store's
            split = "train" if number % 2 else "test"
            for exam in ("D15", "M3"):
                row = [f"P{number:03d}", exam, "", split]
                writer.add([row], np.random.default_rng(number).normal(size=(1, 2)))
    write_card(study / "features" / "a.csv", {"run": "a", "layer": "encoder", "preprocessed": "default"})


def score(study: Path, **options: object) -> Evaluated:
    given = {"target": "gfr", "permutations": 0, "bootstrap": 40, "overwrite": True, "page": False, **options}
    return evaluate(EvaluateOptions.resolve({"study": study, **given}))


def test_pixels_tell_the_bar_that_the_images_show(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medcl.evaluation.probe.ALPHAS", (1.0, 100.0))
    features(study)
    found: list[np.ndarray] = []
    real = evaluate_pixels.pixel_components

    def spy(pixels: np.ndarray, training: np.ndarray, **how: int) -> np.ndarray:
        found.append(training)
        return real(pixels, training, **how)

    monkeypatch.setattr(evaluate_pixels, "pixel_components", spy)
    done = score(study)
    with (done.folder / "scores.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["score"] == "r2"]
    value = {row["features"]: float(row["value"]) for row in rows if row["fitted_on"] == "training patients"}
    assert value["pixels, principal components"] > 0.8 > value["a"]
    exams = done.scored[0].candidate.of.exams
    assert set(exams.splits[found[0]]) == {"train"}
    text = (done.folder / "evaluation.json").read_text()
    assert "found on training patients, without labels" in text
    assert "No clinical baseline: name its variables with --clinical-features." in text


def test_without_the_images_the_baseline_is_left_out_unless_asked_for(study: Path) -> None:
    features(study)
    manifest = study / "preprocessed" / "default" / "manifest.csv"
    lines = manifest.read_text().splitlines()
    manifest.write_text("\n".join(lines[:-1]) + "\n")
    done = score(study)
    assert "No baseline of pixels: 1 image, such as" in (done.folder / "evaluation.json").read_text()
    assert not any(each.candidate.name.startswith("pixels") for each in done.scored)
    with pytest.raises(BadInput, match="not in preprocessed/default: run `medcl preprocess`"):
        score(study, baselines="mean,pixels")


def test_components_of_rounding_errors_are_no_features() -> None:
    """Of twelve rows in six pairs of equal ones, the sixth component is made of rounding errors."""
    pixels = np.repeat(np.random.default_rng(0).normal(size=(6, 40)), 2, axis=0)
    found = evaluate_pixels._components(np.concatenate([pixels, pixels + 1]), np.arange(12), 0)
    assert found.shape == (24, 5)


def test_coarse_means_over_cells() -> None:
    image = np.arange(16 * 32 * 32, dtype=np.float32).reshape(16, 32, 32)
    found = coarse(image).reshape(8, 16, 16)
    np.testing.assert_allclose(found[3, 5, 7], image[6:8, 10:12, 14:16].mean())
    assert coarse(np.ones((1, 17, 20), np.float32)).shape == (256,)
    np.testing.assert_allclose(coarse(np.full((5, 17, 20), 0.25, np.float32)), 0.25)
