"""`medcl preprocess --roi run:NAME`: the box around what a segmentation run finds, and whose run that may be."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch

from medcl.evaluation.saved_segmenter import load_segmenter
from medcl.imaging.recipe import Recipe
from medcl.imaging.store import VolumeStore
from medcl.study.errors import BadInput, RunFailed
from medcl.study.splits import Splits
from medcl.training.export import export_encoder
from medcl.workflows.preprocess import Preprocessed, PreprocessOptions, preprocess
from medcl.workflows.pretrain import PretrainOptions, pretrain
from medcl.workflows.segment_apply import SegmentApplyOptions, segment_apply
from medcl.workflows.segment_train import SegmentTrainOptions, segment_train
from tests.workflows.segment_runs import AXES, CLASSES, SHAPE, SLICES, Made, change_card, make_study
from tests.workflows.segmentation_study import write_study

BODY = (slice(5, 12), slice(4, 10), slice(2, 4))
"""Voxels (x, y, z) of each file that are bright; one more in a corner is a speck."""

SIZE = (40, 40, 40)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Made:
    made = make_study(tmp_path_factory.mktemp("template") / "study")
    for number, patient in enumerate(AXES):
        write_image(made, patient, number)
    lines = [line.split(",") for line in (made.study.root / "cohort.csv").read_text().splitlines()[1:]]
    rows = [f"{patient},M3,a,{image},{patient}-mask.nii,{modality}" for patient, image, _, modality in lines]
    write_rows(made, rows)
    return made


@pytest.fixture
def made(template: Made, tmp_path: Path) -> Made:
    """A copy of the study to spoil."""
    root = tmp_path / "study"

    def link(source: str, target: str) -> None:
        (os.link if source.endswith(".safetensors") else shutil.copy2)(source, target)

    shutil.copytree(template.study.root, root, copy_function=link)
    return Made(type(template.study)(root), root / "runs" / "ideal", template.voxels)


@pytest.fixture(autouse=True)
def predictions(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The network finds what is bright on a dark image, and nothing on one of noise; returns what it looked at."""
    looked: list[tuple[int, ...]] = []

    def predict(network: Any, volume: np.ndarray, **options: Any) -> np.ndarray:
        looked.append(volume.shape)
        index = (volume > 0.5).astype(int) * (volume[volume > 0].mean() < 0.4)
        return (index == np.arange(3)[:, None, None, None]).astype(np.float32)

    monkeypatch.setattr("medcl.evaluation.predict.predict", predict)
    return looked


def write_image(made: Made, patient: str, seed: int, body: bool = True) -> None:
    voxels = (np.random.default_rng(seed).uniform(0, 0.2, SHAPE)).astype(np.float32)
    mask = np.zeros(SHAPE, np.uint8)
    mask[BODY] = 1
    if body:
        voxels[BODY] = np.random.default_rng(seed).uniform(0.9, 1, mask[BODY].shape)
        voxels[0, 0, 0] = 1
    nibabel.Nifti1Image(voxels, AXES[patient]).to_filename(made.study.root / "images" / f"{patient}.nii.gz")
    nibabel.Nifti1Image(mask, AXES[patient]).to_filename(made.study.root / f"{patient}-mask.nii")


def write_rows(made: Made, rows: list[str]) -> None:
    text = "\n".join(["patient,exam,sequence,image,mask,modality", *rows])
    (made.study.root / "cohort.csv").write_text(text + "\n")


def rows_of(made: Made) -> list[str]:
    return (made.study.root / "cohort.csv").read_text().splitlines()[1:]


def run(made: Made, **options: Any) -> Preprocessed:
    given = {"roi": "run:ideal", "size": SIZE, "workers": 1, "quality": False, "device": "cpu"} | options
    if not given["roi"].startswith("run:"):
        del given["device"]
    return preprocess(PreprocessOptions(study=made.study.root, **given))


def store_of(made: Made, name: str = "default") -> VolumeStore:
    return VolumeStore.open(made.study.preprocessed(name))


def other_weights(run: Path) -> None:
    """The same run trained again: its network has other weights."""
    saved = load_segmenter(run, torch.device("cpu"))
    with torch.no_grad():
        next(saved.network.parameters()).add_(0.5)
    (run / "segmenter.safetensors").unlink()  # a link to that of other tests
    export_encoder(saved.network, run, saved.card, stem="segmenter")


def second_run(made: Made, name: str, recipe: Recipe) -> Path:
    """A copy of the run, of another recipe."""
    path = made.run.parent / name
    shutil.copytree(made.run, path, copy_function=os.link)
    for file in ("segmenter.json", "run.json"):
        text = (path / file).read_text()
        (path / file).unlink()
        (path / file).write_text(text)
    change_card(path, recipe)
    return path


def region_recipe(made: Made, **changed: Any) -> Recipe:
    weights = load_segmenter(made.run, torch.device("cpu")).card["weights_sha256"][:16]
    return replace(SLICES, roi="run:ideal", roi_weights=weights, **changed)


@pytest.mark.parametrize(
    "options", [{}, {"margin": 2.0}, {"margin": 1.0, "slices": "acquired", "slice_size": (40, 40)}]
)
def test_the_region_is_that_of_a_mask_of_what_is_bright(made: Made, options: dict[str, Any]) -> None:
    size = {} if "slices" in options else {"size": SIZE}
    for name, roi in (("run", "run:ideal"), ("mask", "mask")):
        given = {"workers": 1, "quality": False, "name": name, "roi": roi, **size, **options}
        preprocess(PreprocessOptions(study=made.study.root, **given))
    found, drawn = store_of(made, "run"), store_of(made, "mask")
    assert found.recipe.roi == "run:ideal"
    for one, other in zip(found.entries, drawn.entries, strict=True):
        assert one.region_shape == other.region_shape
        assert (one.region_shape != one.source_shape) == ("margin" in options)
        np.testing.assert_allclose(one.affine, other.affine, atol=1e-9)
        np.testing.assert_array_equal(found.read(one), drawn.read(other))
        np.testing.assert_array_equal(found.labels(one), drawn.labels(other))


def test_the_margin_is_in_mm_and_the_speck_is_left_out(made: Made) -> None:
    run(made, margin=0)
    run(made, margin=3, name="wider")
    (tight,) = [entry for entry in store_of(made).entries if entry.patient == "P1"]
    (wide,) = [entry for entry in store_of(made, "wider").entries if entry.patient == "P1"]
    assert tight.region_shape == (2, 6, 7)  # z, y, x of voxels of 2, 1, 1 mm
    assert wide.region_shape == (6, 12, 13)
    volume = store_of(made).read(tight)
    middle = np.argwhere(volume > 0).mean(axis=0)
    np.testing.assert_allclose(middle, (19.5, 19.5, 19.5), atol=0.6)
    np.testing.assert_allclose(tight.matrix @ [*middle[::-1], 1], [8, 6.5, 5, 1], atol=0.5)


def test_worker_processes_make_the_same(made: Made) -> None:
    run(made)
    run(made, name="two", workers=2)
    assert store_of(made).fingerprint() == store_of(made, "two").fingerprint()


def test_kept_images_are_not_predicted_again(made: Made, predictions: list[Any]) -> None:
    assert (run(made).prepared, len(predictions)) == (4, 4)
    predictions.clear()
    again = run(made, workers=2)
    assert (again.kept, again.prepared, predictions) == (4, 0, [])
    write_image(made, "P2", 77)
    assert ((one := run(made)).kept, one.prepared, len(predictions)) == (3, 1, 1)
    (made.study.preprocessed("default") / store_of(made).entries[0].file).unlink()
    assert (run(made).prepared, len(predictions)) == (1, 2)
    write_rows(made, [row.replace("P1,M3", "P1,M12") for row in rows_of(made)])  # another case, the same files
    assert run(made).images == 4
    assert "P1_M12_a" in [entry.case for entry in store_of(made).entries]


def test_a_stopped_preprocessing_goes_on_where_it_was(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    from medcl.evaluation import predict

    usual, calls = predict.predict, []

    def fails(*given: Any, **options: Any) -> np.ndarray:
        calls.append(1)
        if len(calls) == 3:
            raise RunFailed("the power went")
        return usual(*given, **options)

    monkeypatch.setattr(predict, "predict", fails)
    with pytest.raises(RunFailed, match="P3_M3_a: the power went"):
        run(made)
    done = run(made)
    assert (done.kept, done.prepared, len(calls)) == (2, 2, 5)


def test_other_weights_of_the_same_name_make_another_store(made: Made, predictions: list[Any]) -> None:
    run(made)
    before = store_of(made)
    other_weights(made.run)
    with pytest.raises(BadInput, match=rf"other options \(roi_weights: {before.recipe.roi_weights} there, .* now\)"):
        run(made)
    predictions.clear()
    assert (run(made, overwrite=True).prepared, len(predictions)) == (4, 4)
    after = store_of(made)
    assert after.recipe.roi == before.recipe.roi
    assert after.recipe.key() != before.recipe.key()
    assert after.fingerprint() != before.fingerprint()


def test_without_the_weights_in_the_recipe_old_volumes_would_stay(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the test before guards against."""
    monkeypatch.setattr("medcl.workflows.region_run.weights_of", lambda saved: "none")
    run(made)
    other_weights(made.run)
    assert run(made).kept == 4


def test_an_image_in_which_nothing_is_found_is_refused(made: Made) -> None:
    write_image(made, "P2", 5, body=False)
    for options in ({}, {"check": True}):
        with pytest.raises(BadInput) as caught:
            run(made, **options)
        assert "1 of 4 images" in caught.value.problems[0]
        assert "P2_M3_a (row 3)" in caught.value.problems[1]
        assert "P2.nii.gz: the run finds nothing in it" in caught.value.problems[1]
        assert "--roi run:ideal finds no region" in caught.value.problems[1]
    left = run(made, skip_bad=True)
    assert (left.images, left.kept) == (3, 3)
    assert [case for case, _ in left.left_out] == ["P2_M3_a"]


def test_check_predicts_and_writes_nothing(made: Made, predictions: list[Any]) -> None:
    (made.study.root / "images" / "P3.nii.gz").write_bytes(b"garbage")
    with pytest.raises(BadInput, match=r"P3_M3_a \(row 4\).*no NIfTI file") as caught:
        run(made, check=True)
    assert str(caught.value).count("P3_M3_a") == 1
    assert len(predictions) == 3
    assert not made.study.preprocessed("default").exists()
    write_image(made, "P3", 2)
    assert run(made, check=True).images == 4


def test_an_image_that_the_run_does_not_take_is_told(made: Made) -> None:
    change_card(made.run, modalities=["mr"])
    write_rows(made, [row.replace("P4-mask.nii,mr", "P4-mask.nii,ct") for row in rows_of(made)])
    with pytest.raises(BadInput, match=r"P4.nii.gz: the run ideal cannot find its region: is of modality ct"):
        run(made)


def test_images_of_an_exam_are_predicted_and_prepared_together(made: Made, predictions: list[Any]) -> None:
    rows = [f"{('A', 'B')[n // 2]},M3,{n % 2},images/P{n + 1}.nii.gz,,mr" for n in range(4)]
    write_rows(made, rows)
    options = {"intensity_over": "exam", "intensity": "percentile"}
    assert run(made, **options).prepared == 4
    predictions.clear()
    assert (run(made, **options).kept, predictions) == (4, [])
    write_image(made, "P2", 99)
    made_now = run(made, **options)
    assert (made_now.kept, made_now.prepared, len(predictions)) == (2, 2, 2)
    write_image(made, "P2", 5, body=False)
    with pytest.raises(BadInput) as caught:
        run(made, **options)
    assert "A_M3_1 (row 3)" in caught.value.problems[2]
    assert "finds nothing in it" in caught.value.problems[2]
    assert "cannot be prepared without A_M3_1, of the same exam" in caught.value.problems[1]


@pytest.mark.parametrize(("splits", "told"), [({}, True), (dict.fromkeys(AXES, "test"), False)])
def test_patients_of_the_runs_training_are_counted(
    made: Made, caplog: pytest.LogCaptureFixture, splits: dict[str, str], told: bool
) -> None:
    caplog.set_level("INFO", logger="medcl")
    if splits:
        Splits.of_parts({1: splits}).write(made.run / "splits.csv")
    run(made)
    run(made)  # of kept images too
    sentence = "1 of 4 images are of patients whom it was trained on and 1 of patients who chose its best epoch"
    assert caplog.text.count(sentence) == 2 * told


def test_the_page_says_which_run_and_the_store_verifies(made: Made, medcl: Callable[..., tuple[int, str]]) -> None:
    done = run(made, quality=True)
    assert done.page is not None
    html = done.page.read_text()
    weights = store_of(made).recipe.roi_weights
    assert f"what the segmentation run ideal (weights {weights}) finds and 10 mm around" in html
    assert medcl("preprocess", "--study", made.study.root, "--verify")[0] == 0


def test_what_cannot_be_a_region_is_refused(made: Made, medcl: Callable[..., tuple[int, str]]) -> None:
    with pytest.raises(BadInput, match=r"--roi run:idea: no such run in .* there are ideal"):
        run(made, roi="run:idea")
    with pytest.raises(BadInput, match=r"--roi run:idea: no such run"):
        run(made, roi="run:idea", check=True)
    record = json.loads((made.run / "run.json").read_text())
    for changed, words in (({"kind": "pretrain"}, "run of `medcl pretrain`"), ({"status": "failed"}, "is failed")):
        (made.run / "run.json").write_text(json.dumps(record | changed))
        with pytest.raises(BadInput, match=f"--roi run:ideal: .*{words}"):
            run(made)
    (made.run / "run.json").write_text(json.dumps(record))
    for recipe in (replace(SLICES, roi="mask"), replace(SLICES, intensity_over="exam")):
        change_card(made.run, recipe)
        with pytest.raises(BadInput, match=r"--roi run:ideal: the images of that run were prepared with .* alone"):
            run(made)
    for roi in ("run", "run:", "runs:a", "maks"):
        with pytest.raises(BadInput, match=f"--roi: got '{roi}', but whole, mask, centre, enhancement or run:NAME"):
            PreprocessOptions(roi=roi)
    with pytest.raises(BadInput, match="--device is where a run finds regions"):
        PreprocessOptions(roi="mask", device="cpu")
    code, said = medcl("preprocess", "--study", made.study.root, "--roi", "run:nobody")
    assert code == 2
    assert "--roi run:nobody: no such run" in said


def test_a_run_folder_of_another_study(made: Made, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    shutil.move(made.run, tmp_path / "elsewhere" / "kidney")
    run(made, roi=f"run:{tmp_path / 'elsewhere' / 'kidney'}")
    assert store_of(made).recipe.roi == "run:kidney"


def apply(made: Made, **options: Any) -> Path:
    return segment_apply(SegmentApplyOptions(study=made.study.root, run="fine", device="cpu", **options)).folder


def mask_of(folder: Path, case: str) -> np.ndarray:
    return np.asarray(nibabel.load(folder / f"{case}.nii.gz").dataobj)


def expected_body() -> np.ndarray:
    mask = np.zeros(SHAPE, np.uint16)
    mask[BODY] = CLASSES[0].value
    return mask


def test_a_run_of_such_regions_is_applied_by_finding_them_first(made: Made, predictions: list[Any]) -> None:
    second_run(made, "fine", region_recipe(made, margin=2.0))
    folder = apply(made, split="all")
    assert len(predictions) == 8
    for patient in AXES:  # the speck lies outside of the region, so it is not even looked at
        assert np.array_equal(mask_of(folder, f"{patient}_M3_a"), expected_body()), patient
    files = apply(made, files=[made.study.root / "images" / "P3.nii.gz"])
    assert np.array_equal(mask_of(files, "P3"), expected_body())
    write_image(made, "P3", 5, body=False)
    with pytest.raises(BadInput, match="finds nothing in it"):
        apply(made, files=[made.study.root / "images" / "P3.nii.gz"], name="none")


def test_the_regions_run_is_known_by_its_weights(made: Made) -> None:
    recipe = region_recipe(made, margin=2.0)
    second_run(made, "fine", recipe)
    shutil.move(made.run, made.run.with_name("renamed"))
    assert np.array_equal(mask_of(apply(made, split="test"), "P3_M3_a"), expected_body())
    other_weights(made.run.with_name("renamed"))
    os.rename(made.run.with_name("renamed"), made.run)
    shutil.rmtree(made.study.segmentations)
    (made.run.parent / "fine" / "segmenter.safetensors").unlink()
    shutil.copy(made.run / "segmenter.safetensors", made.run.parent / "fine")  # else it would find its own regions
    card = json.loads((made.run / "segmenter.json").read_text())
    change_card(made.run.parent / "fine", recipe, weights_sha256=card["weights_sha256"])
    wanted = rf"run ideal finds, whose weights {recipe.roi_weights} are in no run of .*\(that of .*ideal has others\)"
    with pytest.raises(BadInput, match=wanted):
        apply(made, split="test")
    shutil.rmtree(made.run)
    with pytest.raises(BadInput, match="copy that run's folder there"):
        apply(made, split="test")


def test_a_region_within_a_region(made: Made, predictions: list[Any]) -> None:
    second_run(made, "fine", region_recipe(made, margin=4.0))
    done = run(made, roi="run:fine", margin=0)
    assert (done.prepared, len(predictions)) == (4, 8)
    assert {entry.region_shape for entry in store_of(made).entries if entry.patient == "P1"} == {(2, 6, 7)}


def test_the_whole_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, medcl: Callable[..., tuple[int, str]]) -> None:
    """Slices, a network that learns a little from them, volumes of what it finds, and a pretraining of these."""
    monkeypatch.undo()  # the network itself
    study = write_study(tmp_path / "study")
    slices: dict[str, Any] = {"slices": "axial", "slice_size": (32, 32)}
    preprocess(PreprocessOptions(study=study.root, name="slices", workers=1, quality=False, **slices))
    quick: dict[str, Any] = {"network": "resnet10", "precision": "fp32", "device": "cpu"}
    settings = {"epochs": 2, "steps_per_epoch": 10, "lr": 3e-3, "batch_size": 8} | quick
    segment_train(
        SegmentTrainOptions(study=study.root, preprocessed="slices", name="body", method="supervised", **settings)
    )
    options = ["--study", study.root, "--roi", "run:body", "--name", "body", "--size", 4, 24, 24, "--margin", 1]
    code, said = medcl("preprocess", *options, "--workers", 1)
    assert code == 0, said
    assert "12 of 16 images are of patients whom it was trained on and 2 of patients who chose" in said
    store = VolumeStore.open(study.preprocessed("body"))
    assert len(store.entries) == 16
    widths = np.array([entry.region_shape for entry in store.entries])
    assert (np.median(widths, axis=0) < (5, 26, 26)).all()  # the ring is 18 wide in images of 32
    drawn = [np.count_nonzero(store.labels(entry)) / 1016 for entry in store.entries]
    assert np.mean(drawn) > 0.75  # and most of it lies within
    dry = pretrain(PretrainOptions(study=study.root, preprocessed="body", method="simclr", dry_run=True, **quick))
    assert dry.run is None
