"""Finding the study folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from medcl.study.errors import BadInput
from medcl.study.folder import Study


@pytest.mark.parametrize("name", ["cohort.csv", "medcl.toml"])
def test_a_folder_with_either_file_is_a_study(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / name).touch()
    assert Study.find(tmp_path).root == tmp_path
    monkeypatch.chdir(tmp_path)
    assert Study.find().root == tmp_path
    assert Study.find(Path(".")).root == tmp_path


def test_places_in_the_study(tmp_path: Path) -> None:
    study = Study(tmp_path)
    assert study.cohort_file == tmp_path / "cohort.csv"
    assert study.settings_file == tmp_path / "medcl.toml"
    assert study.preprocessed() == tmp_path / "preprocessed" / "default"
    assert study.preprocessed("ct") == tmp_path / "preprocessed" / "ct"
    assert study.runs == tmp_path / "runs"
    assert study.features == tmp_path / "features"
    assert study.segmentations == tmp_path / "segmentations"
    assert study.figures == tmp_path / "figures"


def test_no_study_is_refused_with_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="medcl init"):
        Study.find(tmp_path)
    with pytest.raises(BadInput, match="does not exist"):
        Study.find(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="is a file"):
        Study.find(tmp_path / "file")


def test_a_study_above_is_named(tmp_path: Path) -> None:
    (tmp_path / "cohort.csv").touch()
    (tmp_path / "runs" / "one").mkdir(parents=True)
    with pytest.raises(BadInput, match=f"--study {tmp_path}"):
        Study.find(tmp_path / "runs" / "one")
