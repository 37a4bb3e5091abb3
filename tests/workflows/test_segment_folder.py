"""The folder of `medcl segment apply`: what a stopped call left goes, and nobody else's file does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from medcl.study.errors import BadInput
from medcl.study.segmentations import CARD, TABLE, read_segmentations
from medcl.workflows import segment_apply as applying
from medcl.workflows.segment_apply import SegmentApplyOptions, segment_apply
from medcl.workflows.segment_folder import UNFINISHED, make_room
from tests.workflows.segment_runs import Made, change_card, make_study, sees_brightness


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make_study(tmp_path_factory.mktemp("template") / "study")


@pytest.fixture
def made(template: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    """A copy of the study, its weights linked."""
    sees_brightness(monkeypatch)
    root = tmp_path / "study"
    shutil.copytree(template.study.root, root, copy_function=link_weights)
    return Made(type(template.study)(root), root / "runs" / "ideal", template.voxels)


def link_weights(source: str, target: str) -> None:
    (os.link if source.endswith(".safetensors") else shutil.copy2)(source, target)


def apply(made: Made, **options: object):
    return segment_apply(SegmentApplyOptions(study=made.study.root, device="cpu", name="a", **options))


def stop(made: Made, monkeypatch: pytest.MonkeyPatch, **options: object) -> Path:
    """A call that ends by Ctrl-C before its table is written."""

    def stopped(*given: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(applying, "write_segmentations", stopped)
        with pytest.raises(KeyboardInterrupt):
            apply(made, **options)
    return made.study.segmentations / "a"


def names(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


@pytest.mark.parametrize("overwrite", [False, True])
def test_masks_of_a_stopped_call_are_made_again_and_none_is_left_over(
    made: Made, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, overwrite: bool
) -> None:
    caplog.set_level("INFO", "medcl")
    folder = stop(made, monkeypatch, split="all")
    assert names(folder) == {"P1.nii.gz", "P2.nii.gz", "P3.nii.gz", "P4.nii.gz", UNFINISHED}
    (folder / ".unfinished-0123-P4.nii.gz").write_bytes(b"half")  # of a process that was killed
    apply(made, overwrite=overwrite)
    assert names(folder) == {"P3.nii.gz", "P4.nii.gz", TABLE, CARD}
    assert "a call that did not end" in caplog.text


def test_a_call_that_replaces_another_may_be_stopped_too(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    apply(made, split="all")
    folder = stop(made, monkeypatch, split="train", overwrite=True)
    assert names(folder) == {"P1.nii.gz", UNFINISHED}
    apply(made)
    assert names(folder) == {"P3.nii.gz", "P4.nii.gz", TABLE, CARD}
    # the broken twin: without the list nobody knows whose the masks are
    folder = stop(made, monkeypatch, split="train", overwrite=True)
    (folder / UNFINISHED).unlink()
    with pytest.raises(BadInput, match="is not empty"):
        apply(made)


def test_a_stop_before_the_old_masks_are_gone_loses_track_of_none(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = apply(made, split="all").folder
    kept = {file.name: file.read_bytes() for file in folder.glob("*.nii.gz")}
    stop(made, monkeypatch, split="train", overwrite=True)
    for name, content in kept.items():  # as if it had been killed just after the card went
        (folder / name).write_bytes(content)
    apply(made)
    assert names(folder) == {"P3.nii.gz", "P4.nii.gz", TABLE, CARD}


def test_files_of_the_user_stay(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = made.study.segmentations / "a"
    folder.mkdir(parents=True)
    (folder / "P2.nii.gz").write_bytes(b"mine")
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(BadInput, match="is not empty"):
        apply(made)
    stop(made, monkeypatch, split="all", overwrite=True)
    with pytest.raises(BadInput, match="is not empty"):  # the notes are nobody's to take
        apply(made)
    assert "P2.nii.gz" not in json.loads((folder / UNFINISHED).read_text())["files"]
    apply(made, overwrite=True)
    assert {"notes.txt", "P2.nii.gz"} <= names(folder)  # the user let that be replaced; it is not taken for medcl's


def test_a_call_that_still_runs_is_left_alone(tmp_path: Path) -> None:
    folder, target = tmp_path / "a", tmp_path / "a" / "P1.nii.gz"
    make_room(folder, [target], overwrite=False)
    target.write_bytes(b"its first mask")
    note = json.loads((folder / UNFINISHED).read_text())
    sleeper = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        for other in ({"process": sleeper.pid}, {"machine": "another"}):
            (folder / UNFINISHED).write_text(json.dumps(note | other))
            with pytest.raises(BadInput, match="may still run"):
                make_room(folder, [target], overwrite=False)
            assert target.exists()
    finally:
        sleeper.communicate(b"\n")
    (folder / UNFINISHED).write_text(json.dumps(note | {"process": sleeper.pid}))
    make_room(folder, [target], overwrite=False)  # it has ended
    assert not target.exists()
    assert json.loads((folder / UNFINISHED).read_text())["process"] == os.getpid()


def test_a_list_that_names_files_elsewhere_is_refused(tmp_path: Path) -> None:
    make_room(tmp_path / "a", [], overwrite=False)
    (tmp_path / "precious").write_text("x")
    (tmp_path / "a" / UNFINISHED).write_text(json.dumps({"files": ["../precious"]}))
    with pytest.raises(BadInput, match="no list of medcl's"):
        make_room(tmp_path / "a", [], overwrite=True)
    assert (tmp_path / "precious").exists()


def test_a_call_without_any_mask_leaves_no_folder(made: Made) -> None:
    for patient in ("P3", "P4"):
        (made.study.root / "images" / f"{patient}.nii.gz").write_bytes(b"garbage")
    with pytest.raises(BadInput, match="2 of 2 images"):
        apply(made)
    assert not (made.study.segmentations / "a").exists()


def test_whose_the_images_are_is_told(made: Made, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "medcl")
    images = sorted((made.study.root / "images").iterdir())
    result = apply(made, files=images)
    assert "knows 4 of these 4 images by the voxels: train 1 (P1); val 1 (P2); test 2 (P3, P4). They" in caplog.text
    assert "those of train and val are no test of it" in caplog.text
    assert "other names" not in caplog.text
    assert [row.split for row in read_segmentations(result.folder)[0]] == ["train", "val", "test", "test"]
    caplog.clear()
    shutil.copy(images[0], tmp_path / "stranger.nii.gz")
    apply(made, files=[tmp_path / "stranger.nii.gz", images[2]], overwrite=True)
    assert "knows 2 of these 2 images by the voxels: train 1 (stranger); test 1 (P3). By other names: stranger." in (
        caplog.text
    )
    caplog.clear()
    apply(made, overwrite=True)  # what the study itself tells needs no words
    assert "by the voxels" not in caplog.text


def test_the_next_command_fits_what_was_segmented(made: Made, tmp_path: Path) -> None:
    wanted = {"train": " --split train", "val": " --split val", "test": "", "all": ""}
    for split, words in wanted.items():
        assert apply(made, split=split, overwrite=True).evaluation == f"medcl segment evaluate{words}"
    assert apply(made, files=[made.study.root / "images" / "P1.nii.gz"], overwrite=True).evaluation == ""
    options = {"study": made.study.root, "device": "cpu", "split": "val", "out": tmp_path / "out"}
    told = segment_apply(SegmentApplyOptions(**options)).evaluation
    assert told == f"medcl segment evaluate --segmentations {tmp_path / 'out'} --split val"


def test_a_run_of_elsewhere_that_knows_these_images(made: Made, tmp_path: Path) -> None:
    shutil.copytree(made.study.root, tmp_path / "copy", ignore=shutil.ignore_patterns("runs"))
    (tmp_path / "copy" / "cohort.csv").write_text(
        "patient,image,mask\nA,images/P1.nii.gz,P1-mask.nii\nB,images/P2.nii.gz,P2-mask.nii\n"
    )
    options = {"study": tmp_path / "copy", "run": str(made.run), "device": "cpu"}
    assert segment_apply(SegmentApplyOptions(**options)).evaluation == "medcl segment evaluate --split all"


def test_outside_of_a_study_the_missing_option_is_named(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = made.study.root / "images" / "P3.nii.gz"
    with pytest.raises(BadInput, match=r"is no study folder: give --out DIR") as caught:
        segment_apply(SegmentApplyOptions(files=[file], run=str(made.run)))
    assert "medcl init" not in str(caught.value)
    with pytest.raises(BadInput, match=r"is no study folder: give --run FOLDER"):
        segment_apply(SegmentApplyOptions(files=[file], out=tmp_path / "out"))


def test_one_fault_of_many_images_is_one_line(made: Made) -> None:
    from medcl.workflows.segment_remarks import alike

    images = {f"P{n}": Path(f"/x/P{n}.nii") for n in range(9)}
    bad = {case: (f"{file}: is of modality ct, and more.",) for case, file in images.items()}
    bad["P3"] = ("/x/P3.nii: is damaged.",)
    assert alike(bad, images) == [
        "8 images (P0, P1, P2, P4, P5 and 3 more): is of modality ct, and more.",
        "P3: /x/P3.nii: is damaged.",
    ]
    change_card(made.run, modalities=["ct"])
    with pytest.raises(BadInput, match=r"2 images \(P3, P4\): is of modality mr") as caught:
        apply(made)
    assert len(caught.value.problems) == 2  # the heading and one line


def test_text_that_is_named_as_an_image(made: Made, tmp_path: Path) -> None:
    (tmp_path / "bad.nii.gz").write_text("these are words")
    with pytest.raises(BadInput, match="no NIfTI file though it is named so, its content is another") as caught:
        apply(made, files=[tmp_path / "bad.nii.gz"])
    assert "column" not in str(caught.value)
    (tmp_path / "notes.txt").write_text("these are words")
    with pytest.raises(BadInput, match=r"is no NIfTI file, expected \.nii or \.nii\.gz") as caught:
        apply(made, files=[tmp_path / "notes.txt"])
    assert "column" not in str(caught.value)
