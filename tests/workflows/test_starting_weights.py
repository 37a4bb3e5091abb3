"""--init-from must not bring in what the test patients look like."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from medcl.imaging.image_list import write_image_list
from medcl.imaging.store import VolumeStore
from medcl.study.errors import BadInput
from medcl.study.folder import Study
from medcl.workflows import starting_weights
from medcl.workflows.starting_weights import refuse_leaking_weights
from tests.workflows.segmentation_study import PATIENTS, prepared_study

Run = Callable[..., Path]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return prepared_study(tmp_path_factory.mktemp("weights") / "study")


def store(study: Study) -> VolumeStore:
    return VolumeStore.open(study.preprocessed())


def sides(*test: str, val: str = "") -> dict[str, str]:
    return {patient: "test" if patient in test else "val" if patient == val else "train" for patient in PATIENTS}


def run(folder: Path, study: Study, parts: dict[str, str], init_from: Path | None = None) -> Path:
    """What a run leaves behind that tells whom it has seen."""
    folder.mkdir(parents=True)
    lines = [f"{patient},{side}" for patient, side in parts.items()]
    (folder / "splits.csv").write_text("\n".join(["patient,split", *lines]) + "\n")
    write_image_list(folder, store(study).entries)
    (folder / "run.json").write_text(json.dumps({"options": {"init_from": str(init_from) if init_from else None}}))
    return folder


def refused(study: Study, init_from: Path, now: dict[str, str]) -> str:
    with pytest.raises(BadInput) as caught:
        refuse_leaking_weights(init_from, study, store(study), now)
    return str(caught.value)


def test_the_same_split_is_fine(study: Study, tmp_path: Path) -> None:
    before = run(tmp_path / "a", study, sides("P02", val="P01"))
    refuse_leaking_weights(before, study, store(study), sides("P02", val="P01"))
    refuse_leaking_weights(before / "encoder.safetensors", study, store(study), sides("P02"))


def test_patients_that_were_trained_on_are_refused_by_their_voxels(study: Study, tmp_path: Path) -> None:
    """Under other names too: the run is of no known study, and called them otherwise."""
    before = run(tmp_path / "a", study, sides("P02"))
    told = refused(study, before, sides("P03", "P02"))
    assert "has seen 1 patient who would be tested on now (P03)" in told
    assert f"--splits {before.resolve() / 'splits.csv'}" in told


def test_patients_whose_images_chose_the_epoch_count_as_seen(study: Study, tmp_path: Path) -> None:
    before = run(tmp_path / "a", study, sides("P02", val="P04"))
    assert "(P04)" in refused(study, before, sides("P02", "P04"))


def test_in_the_study_itself_patients_count_by_name(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another exam of a patient is no other patient; the twin, without names, lets it pass."""
    before = run(study.runs / "before", study, sides("P02"))
    (before / "images.csv").write_text("case,patient,content,state\nP03_old,P03,other voxels,x\n")
    assert "(P03)" in refused(study, before, sides("P03"))
    monkeypatch.setattr(starting_weights, "_is_below", lambda folder, runs: False)
    refuse_leaking_weights(before, study, store(study), sides("P03"))


def test_weights_of_weights_count(study: Study, tmp_path: Path) -> None:
    first = run(tmp_path / "first", study, sides("P02"))
    second = run(tmp_path / "second", study, sides("P02", "P05"), init_from=first)
    assert "first" in refused(study, second, sides("P05"))


def test_a_fold_has_its_own_split(study: Study, tmp_path: Path) -> None:
    whole = run(tmp_path / "folds", study, sides("P02"))
    fold = whole / "fold-1"
    fold.mkdir()
    (whole / "splits.csv").rename(fold / "splits.csv")
    refuse_leaking_weights(fold, study, store(study), sides("P02"))
    assert "(P03)" in refused(study, fold, sides("P03"))


def test_weights_of_unknown_origin_are_told(study: Study, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="medcl"):
        refuse_leaking_weights(tmp_path, study, store(study), sides("P02"))
    assert "does not tell which images it was trained on" in caplog.text


def test_patients_who_validate_count_where_that_is_asked_for(study: Study, tmp_path: Path) -> None:
    """Those whom the weights were trained on; validating with whom they were validated is fine."""
    before = run(tmp_path / "a", study, sides("P02", val="P01"))
    now = sides("P02", val="P03")
    refuse_leaking_weights(before, study, store(study), now)
    with pytest.raises(BadInput, match=r"--translation .*: the network in .* would be validated on now \(P03\)"):
        refuse_leaking_weights(before, study, store(study), now, option="--translation", validation=True)
    same = sides("P02", val="P01")
    refuse_leaking_weights(before, study, store(study), same, option="--translation", validation=True)
