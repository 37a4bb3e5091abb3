"""A joint run of translation segments images of its target: `segment apply`, `segment evaluate`, regions by a run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch

from medcl.study.errors import BadInput
from medcl.study.folder import Study
from medcl.study.segmentations import read_segmentations
from medcl.workflows.finished_run import finished_run
from medcl.workflows.region_run import open_region_run
from medcl.workflows.segment_apply import SegmentApplied, SegmentApplyOptions, segment_apply
from medcl.workflows.segment_evaluate import SegmentEvaluateOptions, segment_evaluate
from medcl.workflows.segment_run import segmenting_run
from tests.workflows.joint_runs import joint_run, joint_study
from tests.workflows.segment_runs import SHAPE, bright, make_run, sees_brightness, steps

CPU = torch.device("cpu")


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return joint_study(tmp_path / "study")


def apply(study: Study, **options: object) -> SegmentApplied:
    return segment_apply(SegmentApplyOptions(study=study.root, device="cpu", **options))


def cases(done: SegmentApplied) -> list[tuple[str, str]]:
    return [(row.case, row.split) for row in read_segmentations(done.folder)[0]]


def test_the_network_itself_goes_through(study: Study) -> None:
    """The U-Net of random weights, from the original files to masks with the values of its classes."""
    joint_run(study)
    done = apply(study)
    mask = nibabel.load(done.folder / "P3.nii.gz")
    assert mask.shape == SHAPE
    assert set(np.unique(np.asarray(mask.dataobj))) <= {0, 3, 500}
    assert cases(done) == [("P3", "test")]


def test_target_images_alone_are_segmented_and_compared(
    study: Study, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Of the test patients P3 has an image of the target and P4 one of the source."""
    joint_run(study)
    sees_brightness(monkeypatch)
    with caplog.at_level("INFO", logger="medcl"):
        done = apply(study, split="all")
    assert cases(done) == [("P1", "train"), ("P2", "val"), ("P3", "test")]
    assert "is for images like its target (modality=mr): 1 other image left out" in caplog.text
    assert np.array_equal(np.asarray(nibabel.load(done.folder / "P3.nii.gz").dataobj), bright(steps(SHAPE, 2)))
    truth = study.root / "P3-mask.nii"
    nibabel.Nifti1Image(bright(steps(SHAPE, 2)).astype(np.uint16), nibabel.load(truth).affine).to_filename(truth)
    found = segment_evaluate(
        SegmentEvaluateOptions(study=study.root, segmentations=str(done.folder), page=False, workers=1)
    )
    assert found.cases == 1
    assert found.summary[-1].spreads["dice"].mean == 1.0


def test_without_a_filter_other_modalities_are_left_out(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    joint_run(study, target="")
    sees_brightness(monkeypatch)
    assert cases(apply(study)) == [("P3", "test")]


def test_a_study_without_target_images(tmp_path: Path) -> None:
    other = joint_study(tmp_path / "ct", dict.fromkeys(("P1", "P2", "P3", "P4"), "ct"))
    joint_run(other, target="")
    with pytest.raises(BadInput, match=r"segments images like those of its target \(mr\), and .* has none"):
        apply(other)


def test_the_targets_study_is_pointed_to_and_knows_its_patients(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sees_brightness(monkeypatch)
    theirs = joint_study(tmp_path / "theirs", dict.fromkeys(("P1", "P2", "P3", "P4"), "mr"))
    path = joint_run(study, target="", target_study=str(theirs.root))
    with pytest.raises(BadInput, match=f"--study {theirs.root} --run {path}"):
        apply(study)
    done = apply(theirs, run=str(path))
    assert cases(done) == [("P3", "test"), ("P4", "test")]
    assert done.folder.parent == theirs.segmentations


def test_a_translation_without_a_segmenter_says_so(study: Study) -> None:
    joint_run(study, "plain", segment=False)
    told = r"--run plain: the run plain was trained without --segment, so it has no segmenter.*--translation plain"
    with pytest.raises(BadInput, match=told):
        apply(study, run="plain")
    with pytest.raises(BadInput, match=r"--roi run:plain: .* without --segment"):
        open_region_run(study, "plain", CPU)
    with pytest.raises(BadInput, match=r"No finished `segment train` or `translate train` run .*plain \(translate"):
        apply(study)
    assert finished_run(study, "translate", "plain").name == finished_run(study, "translate", None).name == "plain"


def test_a_segmenter_that_was_lost_is_not_told_as_never_trained(study: Study) -> None:
    path = joint_run(study)
    (path / "segmenter.json").unlink()
    with pytest.raises(BadInput, match=r"segmenter\.json: no such file"):
        apply(study)


def test_the_newest_with_a_segmenter_is_taken(study: Study, caplog: pytest.LogCaptureFixture) -> None:
    joint_run(study, "joint")
    assert segmenting_run(study, None).name == "joint"
    make_run(study)
    assert segmenting_run(study, None).name == "ideal"
    joint_run(study, "plain", segment=False)
    with caplog.at_level("INFO", logger="medcl"):
        assert segmenting_run(study, None).name == "ideal"
    assert "Run: ideal, the newest finished one (others: joint; choose with --run)." in caplog.text
    joint_run(study, "joint-2")
    assert segmenting_run(study, None).name == "joint-2"
    assert finished_run(study, "segment", None).name == "ideal"


def test_kinds_without_a_segmenter_and_unfinished_runs(study: Study) -> None:
    path = joint_run(study)
    record = json.loads((path / "run.json").read_text())
    (path / "run.json").write_text(json.dumps(record | {"status": "failed"}))
    with pytest.raises(BadInput, match=r"is failed.*`medcl translate train --name translate-ct-mr --resume`"):
        apply(study, run="translate-ct-mr")
    (path / "run.json").write_text(json.dumps(record | {"kind": "pretrain"}))
    with pytest.raises(BadInput, match="not of `medcl segment train` or `medcl translate train`"):
        apply(study, run="translate-ct-mr")
    with pytest.raises(BadInput, match="such run in"):
        apply(study, run="another")


def test_a_joint_run_finds_regions(study: Study) -> None:
    joint_run(study)
    found = open_region_run(study, "translate-ct-mr", CPU)
    assert found.known.splits["P3"] == "test"
    assert found.predictor.modalities == {"mr"}


def test_images_of_another_modality_are_refused_as_files(study: Study, tmp_path: Path) -> None:
    """A file tells no modality; a row of another study's cohort does."""
    path = joint_run(study)
    other = joint_study(tmp_path / "ct", dict.fromkeys(("P1", "P2", "P3", "P4"), "ct"))
    with pytest.raises(BadInput, match="has none"):
        apply(other, run=str(path))
    shutil.copy(study.root / "images" / "P3.nii.gz", tmp_path / "stranger.nii.gz")
    assert apply(study, files=[tmp_path / "stranger.nii.gz"]).masks == 1
