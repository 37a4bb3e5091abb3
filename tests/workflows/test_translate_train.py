"""`medcl translate train`: what a run leaves, what each option changes, and runs that break off."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import medcl as package
from medcl.evaluation.saved_segmenter import load_segmenter
from medcl.evaluation.saved_translator import load_translator
from medcl.imaging.image_list import read_image_list
from medcl.imaging.store import VolumeStore
from medcl.methods.translation import Translation
from medcl.study.errors import BadInput, RunFailed
from medcl.study.folder import Study
from medcl.study.segmentations import read_segmentations
from medcl.study.split_file import read_splits
from medcl.training import loop
from medcl.training.interrupt import Interrupted
from medcl.training.metrics import TIME_COLUMNS
from medcl.workflows import translation_page, translation_training
from medcl.workflows.segment_apply import SegmentApplyOptions, segment_apply
from medcl.workflows.translate_train import TranslateTrainOptions, translate_train
from medcl.workflows.translation_training import MadeTranslation, PreparedTranslation, build, prepare
from tests.workflows.translate_quick import JOINT, joint, mark_stopped, quick, trained
from tests.workflows.two_modalities import SIZE, SPLIT, copied, two_modalities
from tests.workflows.two_modalities import prepare as preprocessed

CPU = torch.device("cpu")
FILTERS = {"source": "modality=ct", "target": "modality=mr"}
REPOSITORY = Path(package.__file__).parents[1]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return two_modalities(tmp_path_factory.mktemp("translate") / "study")


@pytest.fixture(scope="module")
def run(study: Study) -> Path:
    """A joint run with everything on."""
    return trained(joint(study, name="whole", **FILTERS, panel_every=1, deep_supervision=0))


@pytest.fixture(scope="module")
def plain(study: Study) -> Path:
    """A run without a segmentation network, whose masks nobody needs."""
    return trained(quick(study, name="plain"))


def rows(folder: Path) -> list[dict[str, str]]:
    """metrics.csv without its times."""
    with (folder / "metrics.csv").open(newline="") as file:
        return [{name: row[name] for name in row if name not in TIME_COLUMNS} for row in csv.DictReader(file)]


def same_files(found: Path, expected: Path, names: list[str]) -> bool:
    return all((found / name).read_bytes() == (expected / name).read_bytes() for name in names)


# --- what a run leaves ---------------------------------------------------------------------------------------------


def test_a_joint_run_leaves_two_networks(study: Study, run: Path) -> None:
    stores = {name: VolumeStore.open(study.preprocessed(name)) for name in ("ct", "mr")}
    translator = load_translator(run, CPU)
    assert (translator.source, translator.target) == (stores["ct"].recipe, stores["mr"].recipe)
    for side, word in (("source", "ct"), ("target", "mr")):
        told = translator.card[side]
        assert (told["filter"], told["preprocessed"], told["modalities"]) == (f"modality={word}", word, [word])
        assert told["recipe_key"] == stores[word].recipe.key()
        assert told["spacing"] == [1.0, 1.0, 1.0]
    assert translator.card["architecture"] == {"filters": 2, "blocks": 1, "size": list(SIZE), "channels": 1}
    assert [each["name"] for each in translator.card["classes"]] == ["ring", "core"]
    assert (translator.card["run"], translator.card["epoch"], translator.card["method"]) == ("whole", 2, "translation")
    segmenter = load_segmenter(run, CPU)
    assert [(each.value, each.name) for each in segmenter.classes] == [(1, "ring"), (2, "core")]
    assert segmenter.recipe == stores["mr"].recipe
    assert (segmenter.card["modalities"], segmenter.card["preprocessed"]) == (["mr"], "mr")
    assert segmenter.card["architecture"]["widths"] == [2, 4]
    assert segmenter.card["target"]["filter"] == "modality=mr"


def test_what_is_kept_is_the_moving_average_of_the_last_epoch(run: Path) -> None:
    """And not the network that was stepped, which is another one."""
    content = torch.load(run / "checkpoints" / "best.pt", weights_only=True)["method"]
    for stem, name in (("generator", "average_generator"), ("segmenter", "average_segmenter")):
        kept = load_file(run / f"{stem}.safetensors")
        for weight, tensor in kept.items():
            assert torch.equal(tensor, content[f"{name}.{weight}"])
        assert any(not torch.equal(tensor, content[f"{stem}.{weight}"]) for weight, tensor in kept.items())


def test_the_record_of_the_run(study: Study, run: Path) -> None:
    record = json.loads((run / "run.json").read_text())
    assert (record["kind"], record["status"], record["processes"]) == ("translate", "finished", 1)
    assert set(record["inputs"]) == {"source_volumes", "target_volumes", "splits", "labels"}
    assert record["options"]["source"] == "modality=ct"
    assert record["outputs"] == [
        *("generator.safetensors", "segmenter.safetensors", "hallucination.csv", "translation.html"),
        *("panels/epoch-0001.png", "panels/epoch-0002.png"),
    ]
    assert all((run / name).is_file() for name in record["outputs"])
    assert {image.patient for image in read_image_list(run)} == set(SPLIT)
    assert read_splits(run / "splits.csv").of(1) == SPLIT
    task = json.loads((run / "task.json").read_text())
    assert (task["source_slices"], task["target_slices"], task["labelled_slices"]) == (6, 6, 6)
    assert task["validation"] == {"images": 1}


def test_the_losses_stand_in_the_metrics(run: Path) -> None:
    training = [row for row in rows(run) if row["split"] == "train"]
    told = {"loss_gan", "loss_nce", "loss_identity", "loss_segmentation", "loss_self_training", "nce_of_chance"}
    assert len(training) == 2
    for row in training:
        assert all(np.isfinite(float(row[name])) for name in (*told, "score_real", "score_made"))
    held_out = [row for row in rows(run) if row["split"] == "val"]
    assert all(0 <= float(row["dice_1"]) <= 1 for row in held_out)


def test_without_a_segmentation_network_no_mask_is_needed(tmp_path: Path, plain: Path) -> None:
    assert not (plain / "segmenter.json").exists()
    assert json.loads((plain / "generator.json").read_text())["classes"] == []
    assert "segmenter.safetensors" not in json.loads((plain / "run.json").read_text())["outputs"]
    other = two_modalities(tmp_path / "study", masked=())
    unmasked = trained(quick(other, name="plain"))
    assert same_files(unmasked, plain, ["generator.safetensors", "hallucination.csv"])


def test_masks_of_target_images_change_nothing(study: Study, run: Path, tmp_path: Path) -> None:
    """The twin: those of a source patient do."""
    found = []
    for patient in ("M1", "C1"):
        other = copied(study, tmp_path / patient)
        for file in (other.root / "preprocessed").glob(f"*/labels/*{patient}*.npy"):
            np.save(file, (np.load(file) * 2 % 3).astype(np.uint8))
        again = trained(joint(other, name="whole", **FILTERS, panel_every=1))
        found.append(same_files(again, run, ["generator.safetensors", "segmenter.safetensors"]))
    assert found == [True, False]


def test_the_same_seed_gives_the_same_run_and_another_one_another(study: Study, plain: Path) -> None:
    names = ["generator.safetensors", "hallucination.csv", "panels/epoch-0002.png"]
    assert same_files(trained(quick(study, name="again", workers=2)), plain, names)
    assert not same_files(trained(quick(study, name="other", seed=1)), plain, names[:1])


def test_the_segmenter_is_applied_to_target_images(study: Study, run: Path) -> None:
    applied = segment_apply(SegmentApplyOptions(study=study.root, run="whole", split="all", device="cpu"))
    found, _ = read_segmentations(applied.folder)
    assert [row.case for row in found] == ["M1", "M2", "M3", "M4"]


@pytest.mark.parametrize(
    ("asked", "stem"),
    [
        ({}, "translate-ct-mr"),
        (FILTERS, "translate-ct-mr"),
        ({"source": "modality=ct,site=St. Anna/2"}, "translate-ct-St--Anna-2-mr"),
        ({"source_preprocessed": None, "target_preprocessed": None, "target_study": Path("x")}, "translate"),
    ],
    ids=str,
)
def test_runs_have_telling_names(study: Study, asked: dict[str, Any], stem: str) -> None:
    assert quick(study, **asked).stem == stem


def test_a_dry_run_writes_nothing(study: Study) -> None:
    before = sorted(study.root.rglob("*"))
    done = translate_train(joint(study, dry_run=True))
    assert done.forecast is not None
    assert (done.run, done.page) == (None, None)
    assert sorted(study.root.rglob("*")) == before


@pytest.mark.parametrize("batch_size", [None, 4, 5, 9])
def test_any_batch_is_filled(study: Study, batch_size: int | None) -> None:
    """6 slices of each side in steps of 1, 4, 5 and 9: the last step is as full as the others."""
    options = quick(study, batch_size=batch_size, epochs=1)
    made = build(prepare(study, options), options)
    size = batch_size or 1
    plans = made.task.epoch(0)
    assert len(plans) == -(-6 // size)
    for plan in plans:
        assert int(plan.targets["source"].sum()) == size == len(plan.rows) - size
    trained(quick(study, name=f"batch-{size}", batch_size=batch_size, epochs=1))


def test_nobody_to_validate_on_is_told(study: Study, tmp_path: Path) -> None:
    from medcl.study.splits import Splits

    file = tmp_path / "splits.csv"
    Splits.of_parts({1: {**SPLIT, "C3": "test"}}).write(file)
    path = trained(quick(study, name="unvalidated", splits=file, epochs=1))
    with (path / "hallucination.csv").open() as text:
        assert {row["split"] for row in csv.DictReader(text)} == {"train"}
    assert "No patient of the source is held out for validation" in (path / "translation.html").read_text()


# --- every option ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ready(study: Study) -> PreparedTranslation:
    return prepare(study, joint(study))


def digest(tensors: Any) -> str:
    return hashlib.sha256(b"".join(each.detach().numpy().tobytes() for each in tensors)).hexdigest()


def look(made: MadeTranslation) -> dict[str, Any]:
    """What the first step of a training is made of and comes to."""
    method = made.method
    weights = {name: each for name, each in method.state_dict().items() if isinstance(each, torch.Tensor)}
    found: dict[str, Any] = {
        "steps": made.task.steps,
        "slices": len({int(row) for plan in made.task.epoch(0) for row in plan.rows}),
        "networks": [(name, tuple(each.shape)) for name, each in weights.items()],
        "weights": digest(method.generator.parameters()),
    }
    plan = made.task.epoch(0)[0]
    batch = next(made.source.batches([plan], 0))
    found["rows"] = plan.rows.tolist()
    found["voxels"] = digest([batch.volumes])
    for step in method.steps(batch):
        method.zero_grad()
        step.loss.backward()
        found[f"{step.optimizer} loss"] = float(step.loss.detach())
        found |= {name: float(value) for name, value in step.logs.items()}
    found["gradient"] = digest([each.grad for each in method.generator.parameters() if each.grad is not None])
    with torch.no_grad():
        for network in (method.generator, method.segmenter):
            if network is not None:
                for weight in network.parameters():
                    weight.add_(0.01)
    method.after_step(0, 9)
    found["kept"] = digest([*method.kept_generator.parameters()])
    return found


LOSS = "generator loss"


@pytest.mark.parametrize(
    ("base", "changed", "differ", "same"),
    [
        ({}, {"segment": False}, ["networks", LOSS, "gradient"], ["voxels", "loss_nce"]),
        ({}, {"detach_translated": True}, ["gradient"], [LOSS, "loss_segmentation"]),
        ({}, {"gan_weight": 2.0}, [LOSS, "gradient"], ["loss_gan"]),
        ({}, {"nce_weight": 2.0}, [LOSS, "gradient"], ["loss_nce"]),
        ({}, {"identity_weight": 2.0}, [LOSS, "gradient"], ["loss_identity"]),
        ({}, {"segmentation_weight": 2.0}, [LOSS, "gradient"], ["loss_segmentation"]),
        ({}, {"temperature": 0.2}, ["loss_nce", "loss_identity"], ["loss_gan"]),
        ({}, {"patches": 8}, ["loss_nce", "loss_identity"], ["loss_gan"]),
        ({}, {"nce_reduction": "sum"}, ["loss_nce"], ["nce_of_chance"]),
        ({}, {"first_tap": "input"}, ["networks", "loss_nce"], ["voxels"]),
        ({}, {"organ_negatives": False}, ["loss_nce"], ["loss_gan", "loss_identity"]),
        ({}, {"average": 0.5}, ["kept"], ["weights", "loss_nce"]),
        ({"self_training": 0.0, "confidence": 0.9}, {"average": 0.0}, ["kept", "networks"], ["weights", LOSS]),
        ({}, {"self_training": 1.0}, [LOSS], ["loss_self_training"]),
        ({}, {"self_training_ramp": 0.0}, [LOSS], ["loss_self_training"]),
        ({}, {"confidence": 0.6}, ["loss_self_training", "taken"], ["loss_segmentation"]),
        ({"widths": [2, 4, 4]}, {"deep_supervision": 1}, ["networks", "loss_segmentation"], ["voxels", "loss_gan"]),
        ({}, {"filters": 3}, ["networks", "loss_gan"], ["voxels"]),
        ({}, {"blocks": 2}, ["networks", "loss_gan"], ["voxels"]),
        ({}, {"discriminator_filters": 3}, ["networks", "discriminator loss"], ["voxels"]),
        ({}, {"widths": [2, 5]}, ["networks", "loss_segmentation"], ["voxels", "weights"]),
        ({}, {"batch_size": 3}, ["rows", "steps"], ["slices"]),
        ({}, {"steps_per_epoch": 1}, ["steps", "slices"], ["networks"]),
        ({}, {"seed": 1}, ["rows", "weights", "voxels"], ["networks"]),
        ({}, {"flip": 1.0}, ["voxels"], ["rows", "weights"]),
        ({}, {"affine": 1.0}, ["voxels"], ["rows", "weights"]),
        ({"affine": 1.0}, {"rotation": 40.0}, ["voxels"], ["rows"]),
        ({"affine": 1.0}, {"scaling": 0.3}, ["voxels"], ["rows"]),
        ({}, {"elastic": 0.0}, ["voxels"], ["rows", "weights"]),
        ({}, {"sharpness": 0.0}, ["voxels"], ["rows", "weights"]),
        ({}, {"brightness": 0.5}, ["voxels"], ["rows", "weights"]),
        ({}, {"contrast": 0.5}, ["voxels"], ["rows", "weights"]),
        ({}, {"noise": 0.2}, ["voxels"], ["rows", "weights"]),
    ],
    ids=lambda value: "-".join(f"{name}={value[name]}" for name in value) if isinstance(value, dict) else "",
)
def test_every_option_reaches_what_it_is_for(
    study: Study,
    ready: PreparedTranslation,
    base: dict[str, Any],
    changed: dict[str, Any],
    differ: list[str],
    same: list[str],
) -> None:
    first = look(build(ready, joint(study, **base)))
    off = {"self_training": 0.0, "widths": None, "confidence": None} if changed.get("segment") is False else {}
    given = {**JOINT, **base, **changed, **off}
    options = TranslateTrainOptions(
        study=study.root, **{name: value for name, value in given.items() if value is not None}
    )
    second = look(build(ready, options))
    for name in differ:
        assert first.get(name) != second.get(name), name
    for name in same:
        assert first[name] == second[name], name


OF_THE_RUN = {
    *("study", "name", "resume", "init_from", "overwrite", "dry_run", "config", "panel_every", "no_ids", "tensorboard"),
    *("gpus", "nodes", "rendezvous", "node_timeout", "device", "precision", "workers", "cache", "compile"),
    *("checkpoint_steps",),
}
OF_THE_IMAGES = {
    *("source", "target", "source_preprocessed", "target_preprocessed", "target_study", "stratify", "leave_site"),
    *("splits", "clinical", "empty_slices"),
}
OF_THE_OPTIMIZER = {
    *("epochs", "optimizer", "lr", "momentum", "weight_decay", "warmup_epochs", "schedule", "start_lr", "end_lr"),
    *("constant_epochs", "clip"),
}


def test_no_option_was_forgotten() -> None:
    (marker,) = (
        mark
        for mark in test_every_option_reaches_what_it_is_for.pytestmark
        if mark.name == "parametrize"  # type: ignore[attr-defined]
    )
    tested = {name for _, changed, _, _ in marker.args[1] for name in changed}
    assert tested | OF_THE_RUN | OF_THE_IMAGES | OF_THE_OPTIMIZER == set(TranslateTrainOptions.model_fields)


@pytest.mark.parametrize(
    "changed",
    [
        *({"epochs": 3}, {"optimizer": "adamw"}, {"lr": 1e-3}, {"weight_decay": 0.1}, {"warmup_epochs": 1.0}),
        *({"schedule": "constant"}, {"end_lr": 1e-5}, {"constant_epochs": 2.0}, {"clip": 1.0}, {"momentum": 0.5}),
    ],
    ids=str,
)
def test_the_optimizers_follow_the_options(study: Study, changed: dict[str, Any]) -> None:
    assert quick(study, **changed).settings() != quick(study).settings()


def test_unless_told_a_run_is_that_of_the_paper(study: Study) -> None:
    settings = TranslateTrainOptions(study=study.root).settings()
    assert (settings.epochs, settings.optimizer, settings.lr, settings.schedule) == (400, "adam", 2e-4, "linear")
    assert (settings.warmup, settings.constant, settings.clip) == (0.0, 200.0, None)


@pytest.mark.parametrize(("share", "expected"), [(0.0, 4), (0.5, 5), (1.0, 6)])
def test_empty_slices_are_left_out(study: Study, tmp_path: Path, share: float, expected: int) -> None:
    """Of one source image two slices have no class."""
    other = copied(study, tmp_path / "study")
    file = next((other.preprocessed("ct") / "labels").glob("*C1*.npy"))
    labels = np.load(file)
    labels[:2] = 0
    np.save(file, labels)
    options = joint(other, empty_slices=share, batch_size=1)
    task = build(prepare(other, options), options).task
    assert len({int(row) for plan in task.epoch(0) for row in plan.rows[0::2]}) == expected


def test_what_a_step_calls_is_compiled(
    study: Study, ready: PreparedTranslation, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = []
    monkeypatch.setattr(nn.Module, "compile", lambda self: compiled.append(self))
    method = build(ready, joint(study, compile=True)).method
    assert compiled == [*method.generator.residuals, method.discriminator, method.segmenter]
    calls: list[nn.Module] = []
    for network in compiled:
        network.register_forward_hook(lambda module, given, made: calls.append(module))
    look(MadeTranslation(build(ready, joint(study)).task, method, build(ready, joint(study)).source))
    assert set(calls) == set(compiled)


@pytest.mark.slow
def test_a_compiled_training_computes_the_same(study: Study, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By torch's tracing, without the minutes of generating code."""
    eager = nn.Module.compile
    monkeypatch.setattr(nn.Module, "compile", lambda self: eager(self, backend="eager"))
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    compiled = trained(joint(study, name="compiled", compile=True, **FILTERS, panel_every=1))
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > 0
    for stem in ("generator", "segmenter"):
        one, other = (load_file(folder / f"{stem}.safetensors") for folder in (run, compiled))
        assert one.keys() == other.keys()
        for name, weight in one.items():
            torch.testing.assert_close(other[name], weight, rtol=1e-3, atol=1e-4)


# --- what cannot be trained -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"self_training": 0.1}, "--self-training without --segment: no segmentation network is trained"),
        ({"segment": True, "self_training": 0.1}, "--self-training needs --average, such as 0.999"),
        ({"detach_translated": True}, "--detach-translated without --segment"),
        ({"deep_supervision": 1}, "--deep-supervision without --segment"),
        ({"widths": "8,16", "segmentation_weight": 2}, "--segmentation-weight, --widths without --segment"),
        ({"confidence": 0.5}, "--confidence without --self-training: nothing is learned from target slices"),
        ({"segment": True, "self_training_ramp": 0.5}, "--self-training-ramp without --self-training"),
        ({"rotation": 5}, "--rotation without --affine, the probability of it"),
        ({"segment": True, "widths": "8"}, "--widths 8: expected two numbers or more"),
        ({"segment": True, "widths": "8,16", "deep_supervision": 1}, "2 --widths has 0 levels to supervise"),
        ({"overwrite": True}, "--overwrite replaces the run of --name NAME"),
        ({"schedule": "constant", "constant_epochs": 2}, "--constant-epochs"),
        ({"blocks": 10}, "--blocks"),
        ({"average": 1}, "--average"),
    ],
    ids=str,
)
def test_options_that_contradict_each_other(study: Study, given: dict[str, Any], told: str) -> None:
    with pytest.raises(BadInput, match=told):
        quick(study, **given)


def test_slices_that_are_too_small_are_told_before_a_folder_is_made(study: Study, tmp_path: Path) -> None:
    other = copied(study, tmp_path / "study")
    small = {"slice_size": (23, 24), "overwrite": True}
    preprocessed(other, "ct", only=["modality=ct"], hu_window=(-200.0, 300.0), **small)
    preprocessed(other, "mr", only=["modality=mr"], intensity="percentile", **small)
    for asked in (quick(other), joint(other)):
        with pytest.raises(BadInput, match=r"23 x 24 pixels .* discriminator needs 24 x 24 or more.*--slice-size"):
            translate_train(asked)
    assert not other.runs.exists()


def test_the_smallest_slices_are_trained_on(study: Study, tmp_path: Path) -> None:
    other = copied(study, tmp_path / "study")
    small = {"slice_size": (24, 24), "overwrite": True}
    preprocessed(other, "ct", only=["modality=ct"], hu_window=(-200.0, 300.0), **small)
    preprocessed(other, "mr", only=["modality=mr"], intensity="percentile", **small)
    path = trained(joint(other, name="small", epochs=1, patches=256, widths=[2, 4, 4, 4, 4]))
    assert json.loads((path / "generator.json").read_text())["architecture"]["size"] == [1, 24, 24]


def test_a_batch_that_processes_cannot_share_is_refused(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translation_training, "world_size", lambda: 2)
    for size, told in ((None, "1 source slice"), (3, "3 source slices")):
        options = quick(study, batch_size=size)
        with pytest.raises(BadInput, match=f"A batch of {told} cannot be shared equally among 2"):
            build(prepare(study, options), options)
    options = quick(study, batch_size=4)
    build(prepare(study, options), options)


# --- --init-from ----------------------------------------------------------------------------------------------------


def test_a_run_starts_from_the_generator_of_another(study: Study, plain: Path) -> None:
    options = joint(study, init_from=plain)
    method = build(prepare(study, options), options).method
    kept = load_file(plain / "generator.safetensors")
    for network in (method.generator, method.average_generator):
        assert network is not None
        assert all(torch.equal(weight, kept[name]) for name, weight in network.state_dict().items())
    fresh = build(prepare(study, joint(study)), joint(study)).method.generator
    assert any(not torch.equal(weight, kept[name]) for name, weight in fresh.state_dict().items())


def test_weights_of_other_networks_are_refused(study: Study, plain: Path, tmp_path: Path) -> None:
    options = quick(study, init_from=plain, filters=3)
    with pytest.raises(BadInput, match="filters: 2 in the file, 3 here"):
        build(prepare(study, options), options)
    options = quick(study, init_from=tmp_path)
    with pytest.raises(BadInput, match=r"generator\.json: no such file"):
        build(prepare(study, options), options)


@pytest.mark.parametrize("patient", ["C1", "M2"])
def test_weights_that_saw_test_patients_are_refused(
    study: Study, plain: Path, tmp_path: Path, patient: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of either side; the twin: nothing but the guard notices."""
    from medcl.study.splits import Splits

    file = tmp_path / "splits.csv"
    Splits.of_parts({1: {**SPLIT, patient: "test"}}).write(file)
    options = quick(study, init_from=plain, splits=file)
    with pytest.raises(BadInput, match=rf"has seen 1 patient who would be tested on now \({patient}\)"):
        prepare(study, options)
    monkeypatch.setattr(translation_training, "refuse_leaking_weights", lambda *_: None)
    prepare(study, options)


# --- runs that break off --------------------------------------------------------------------------------------------

WRITTEN = [
    *("generator.safetensors", "hallucination.csv", "splits.csv", "task.json"),
    *("panels/epoch-0001.png", "panels/epoch-0002.png"),
]
ASKED = {"in the first epoch": 2, "after the first epoch": 4, "in the last epoch": 6}
"""The loop asks four times an epoch, after each of three steps and at the end, whether it is to stop."""


def broken(study: Study, asked: int, options: TranslateTrainOptions) -> Path:
    """A run that is stopped when the loop asks for the `asked`-th time."""
    answers = iter([False] * (asked - 1) + [True])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "any_rank", lambda flag: next(answers))
        with pytest.raises(Interrupted):
            translate_train(options)
    assert next(answers, "spent") == "spent"
    assert options.name is not None
    mark_stopped(study.runs / options.name)
    return study.runs / options.name


def resumed(study: Study, **given: Any) -> Path:
    return trained(TranslateTrainOptions(study=study.root, resume=True, **given))


@pytest.mark.parametrize("where", ASKED)
def test_a_resumed_joint_run_is_the_unbroken_one(study: Study, run: Path, where: str) -> None:
    name = where.replace(" ", "-")
    path = broken(study, ASKED[where], joint(study, name=name, **FILTERS, panel_every=1))
    assert not (path / "generator.safetensors").exists()
    assert resumed(study, name=name, workers=2) == path
    assert same_files(path, run, [*WRITTEN, "segmenter.safetensors"])
    assert rows(path) == rows(run)
    assert (path / "translation.html").read_text().replace(name, "whole") == (run / "translation.html").read_text()


def test_a_resumed_run_that_forgot_its_steps_would_be_another(
    study: Study, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: the step keys positions and the average's momentum."""
    path = broken(study, 4, joint(study, name="forgetful", **FILTERS, panel_every=1))
    monkeypatch.setattr(Translation, "set_extra_state", lambda self, state: None)
    resumed(study, name="forgetful")
    assert not same_files(path, run, ["generator.safetensors"])


def test_a_run_without_a_segmentation_network_is_resumed(study: Study, plain: Path) -> None:
    path = broken(study, 4, quick(study, name="plainly"))
    assert resumed(study) == path, "the newest unfinished one, without a name"
    assert same_files(path, plain, ["generator.safetensors", "hallucination.csv"])
    assert rows(path) == rows(plain)


def test_changed_options_and_images_are_refused(study: Study, tmp_path: Path) -> None:
    other = copied(study, tmp_path / "study")
    broken(other, 4, quick(other, name="changed"))
    for given, told in (
        ({"temperature": 0.5}, "--temperature: 0.07 in the run, 0.5 now"),
        ({"target": "modality=mr"}, "--target: not given in the run, modality=mr now"),
    ):
        with pytest.raises(BadInput, match=told):
            resumed(other, name="changed", **given)
    preprocessed(other, "mr", only=["modality=mr"], overwrite=True)
    with pytest.raises(BadInput, match="the target's preprocessed slices changed since changed was started"):
        resumed(other, name="changed")


def test_a_run_whose_page_failed_goes_on_with_it(study: Study, plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The training itself is over: it is not done again."""

    def failing(*_: object) -> None:
        raise RunFailed("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(translation_page, "write_translation_page", failing)
        with pytest.raises(RunFailed):
            translate_train(quick(study, name="pageless"))
    assert json.loads((study.runs / "pageless" / "run.json").read_text())["status"] == "failed"
    with monkeypatch.context() as patch:
        patch.setattr(loop._Training, "run_epoch", None)  # would fail
        path = resumed(study, name="pageless")
    assert same_files(path, plain, [name for name in WRITTEN if name != "panels/epoch-0001.png"][:4])
    assert (path / "translation.html").is_file()


def test_a_name_that_is_taken_is_refused_and_replaced_when_asked(study: Study) -> None:
    first = trained(quick(study, name="taken", epochs=1))
    with pytest.raises(BadInput, match="taken exists"):
        translate_train(quick(study, name="taken"))
    before = (first / "generator.safetensors").read_bytes()
    assert trained(quick(study, name="taken", epochs=1, seed=3, overwrite=True)) == first
    assert (first / "generator.safetensors").read_bytes() != before


# --- several processes ----------------------------------------------------------------------------------------------


@pytest.mark.ddp
@pytest.mark.slow
def test_two_processes_end_like_one(study: Study, run: Path, tmp_path: Path) -> None:
    other = copied(study, tmp_path / "study")
    words = ["--name", "two", "--gpus", "2", "--segment", "--organ-negatives", "--average", "0.9", "--panel-every", "1"]
    words += ["--source", "modality=ct", "--target", "modality=mr", "--source-preprocessed", "ct"]
    words += ["--target-preprocessed", "mr", "--self-training", "0.5", "--confidence", "0.2", "--widths", "2,4"]
    words += ["--filters", "2", "--blocks", "1", "--discriminator-filters", "2", "--patches", "16", "--epochs", "2"]
    words += ["--batch-size", "2", "--precision", "fp32", "--device", "cpu", "--workers", "1"]
    path = os.pathsep.join([str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-m", "medcl", "translate", "train", *words],
        cwd=other.root,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Next: medcl translate apply") == 1
    two = other.runs / "two"
    assert json.loads((two / "run.json").read_text())["processes"] == 2
    for stem in ("generator", "segmenter"):
        mine, theirs = (load_file(folder / f"{stem}.safetensors") for folder in (run, two))
        for name, weight in mine.items():
            torch.testing.assert_close(theirs[name], weight, rtol=1e-3, atol=1e-4)
    for row, same in zip(rows(run), rows(two), strict=True):
        for name in ("loss_nce", "loss_gan", "loss_segmentation", "loss_self_training", "loss"):
            assert bool(row[name]) == bool(same[name]), name
            if row[name]:
                assert float(row[name]) == pytest.approx(float(same[name]), rel=2e-3), name
