"""N4 takes a smooth field out of a phantom, always in the same way, and says what it needs."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from imaging_phantoms import AFFINE, noise

from medcl.imaging import bias_field
from medcl.imaging.bias_field import without_bias
from medcl.imaging.prepare import prepare
from medcl.imaging.recipe import Recipe
from medcl.imaging.source import Source
from medcl.imaging.volume import Volume
from medcl.study.errors import BadInput
from medcl.workflows.preprocess import PreprocessOptions, preprocess

SHAPE = (24, 40, 40)


def phantom() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A ball of two tissues, where it is, and the field that a coil at one side multiplies it with."""
    z, y, x = np.indices(SHAPE) / np.array(SHAPE).reshape(3, 1, 1, 1) - 0.5
    radius = np.sqrt(z**2 + y**2 + x**2)
    tissue = np.where(radius < 0.25, 200.0, 100.0) * (radius < 0.45)
    noisy = tissue + np.random.default_rng(0).normal(0, 1, SHAPE)
    return noisy, radius < 0.45, np.exp(1.2 * x + 0.4 * y)


def spread(voxels: np.ndarray) -> float:
    """Deviation over mean of the outer tissue, which is one without a field."""
    z, y, x = np.indices(SHAPE) / np.array(SHAPE).reshape(3, 1, 1, 1) - 0.5
    radius = np.sqrt(z**2 + y**2 + x**2)
    outer = voxels[(radius > 0.28) & (radius < 0.42)]
    return float(outer.std() / outer.mean())


def test_a_known_field_is_taken_out_and_twice_the_same() -> None:
    tissue, _, field = phantom()
    shaded = Volume((tissue * field).astype(np.float32), AFFINE)
    corrected = without_bias(shaded)
    assert spread(shaded.voxels) > 0.2
    assert spread(corrected.voxels) < 0.25 * spread(shaded.voxels)
    np.testing.assert_array_equal(corrected.affine, AFFINE)
    assert corrected.voxels.dtype == np.float32
    np.testing.assert_array_equal(corrected.voxels, without_bias(shaded).voxels)


class _StandIn(ModuleType):
    """Answers like SimpleITK, with a field of log 2 for all voxels."""

    def __init__(self) -> None:
        super().__init__("SimpleITK")
        self.spacing: Any = None
        self.threads = 0
        self.ProcessObject = self
        self.fail = False

    def SetGlobalDefaultNumberOfThreads(self, threads: int) -> None:
        self.threads = threads

    def GetImageFromArray(self, voxels: np.ndarray) -> Any:
        self.image = np.array(voxels)
        return self

    def SetSpacing(self, spacing: Any) -> None:
        self.spacing = spacing

    def GetSize(self) -> tuple[int, ...]:
        return self.image.shape[::-1]

    def OtsuThreshold(self, image: Any, inside: int, outside: int) -> Any:
        return self

    def Shrink(self, image: Any, factors: list[int]) -> Any:
        self.factors = factors
        return image

    def N4BiasFieldCorrectionImageFilter(self) -> Any:
        return self

    def SetMaximumNumberOfIterations(self, iterations: Any) -> None:
        self.iterations = iterations

    def Execute(self, image: Any, mask: Any) -> None:
        if self.fail:
            raise RuntimeError("Exception thrown\nno voxels in the mask")

    def GetLogBiasFieldAsImage(self, image: Any) -> Any:
        return self

    def GetArrayFromImage(self, image: Any) -> np.ndarray:
        return np.full(self.image.shape, np.log(2.0))


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> _StandIn:
    module = _StandIn()
    monkeypatch.setitem(sys.modules, "SimpleITK", module)
    monkeypatch.setattr(bias_field, "find_spec", lambda name: name)
    return module


def test_the_image_is_divided_by_the_field(stand_in: _StandIn) -> None:
    voxels = np.random.default_rng(0).normal(100, 5, (3, 8, 9)).astype(np.float32)
    corrected = without_bias(Volume(voxels, AFFINE))
    np.testing.assert_allclose(corrected.voxels, voxels / 2, rtol=1e-6)
    assert stand_in.spacing == (1.0, 2.0, 3.0), "SimpleITK counts x, y, z"
    assert stand_in.factors == [4, 4, 3], "no axis is shrunk to nothing"
    assert stand_in.threads == 1


def test_preparing_takes_the_field_out_before_the_levels(tmp_path: Path, stand_in: _StandIn) -> None:
    image = noise(tmp_path / "a.nii")
    plain, corrected = (prepare(image, None, Recipe(size=(4, 4, 4), n4=n4)) for n4 in (False, True))
    assert corrected.levels.high == pytest.approx(plain.levels.high / 2, rel=1e-5)
    assert corrected.content == plain.content, "the same image stays known as the same"


def test_what_cannot_be_corrected_is_named(tmp_path: Path, stand_in: _StandIn) -> None:
    from medcl.imaging.prepare import prepare_contents

    image = noise(tmp_path / "a.nii")
    with pytest.raises(BadInput, match=r"a\.nii: is a CT"):
        prepare_contents(Source(image, modality="ct").read(), Recipe(n4=True))
    stand_in.fail = True
    with pytest.raises(BadInput, match=r"a\.nii: --n4 finds no bias field in it \(no voxels in the mask\)"):
        prepare(image, None, Recipe(n4=True))


def test_without_simpleitk_the_way_to_install_it_is_told_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bias_field, "find_spec", lambda name: None)
    (tmp_path / "cohort.csv").write_text("patient,image\nP1,missing.nii\n")
    with pytest.raises(BadInput, match=r"SimpleITK is not installed; pip install 'medcl\[n4\]'") as caught:
        preprocess(PreprocessOptions(study=tmp_path, n4=True, workers=1))
    assert len(caught.value.problems) == 1
    assert not (tmp_path / "preprocessed").exists()
