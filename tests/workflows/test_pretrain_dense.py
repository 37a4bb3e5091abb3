"""`medcl pretrain --method dense` on volumes and on slices: who trains, defaults, options, resume, what it leaves."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from medcl.data.augmentation import DENSE_VIEWS
from medcl.data.samples import Samples
from medcl.methods.dense import Dense, GridOfCells
from medcl.networks.dense_head import DenseHead
from medcl.networks.encoder import build_encoder
from medcl.study.errors import RunFailed
from medcl.study.folder import Study
from medcl.training.export import load_encoder_weights
from medcl.training.runner import StepRunner
from medcl.workflows import fold
from medcl.workflows.preprocess import PreprocessOptions, preprocess
from medcl.workflows.pretrain import Pretrained, PretrainOptions, pretrain

Medcl = Callable[..., tuple[int, str]]
PATIENTS = [f"P{number:03d}" for number in range(1, 13)]


def options(study: Path, **given: Any) -> PretrainOptions:
    return PretrainOptions.resolve({"study": study, "method": "dense", "epochs": 1, **given})


def train(study: Path, **given: Any) -> Pretrained:
    return pretrain(options(study, **given))


def weights(done: Pretrained) -> dict[str, torch.Tensor]:
    assert done.run is not None
    return load_file(done.run.path / "encoder.safetensors")


def equal(first: Pretrained, second: Pretrained) -> bool:
    a, b = weights(first), weights(second)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def build(study: Path, **given: Any) -> fold.Fold:
    chosen = options(study, **given)
    prepared = fold.settle_micro_batch(fold.prepare(Study.find(study), chosen), chosen, None)
    return fold.build_fold(prepared, chosen, None)


@pytest.fixture(scope="module")
def sliced(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study with its slices beside its volumes; never changed."""
    root = Path(shutil.copytree(prepared, tmp_path_factory.mktemp("sliced") / "study"))
    settings = (root / "medcl.toml").read_text()
    (root / "medcl.toml").write_text(settings.replace("size = [8, 16, 16]", "slice_size = [16, 16]"))
    preprocess(PreprocessOptions.resolve({"study": root, "slices": "axial", "name": "slices"}))
    return root


@pytest.fixture(scope="module")
def base(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Pretrained:
    """An epoch with the defaults."""
    return train(Path(shutil.copytree(prepared, tmp_path_factory.mktemp("base") / "study")))


def test_a_run_leaves_what_later_commands_need(base: Pretrained) -> None:
    assert base.run is not None
    folder = base.run.path
    assert folder.name == "dense"
    card = json.loads((folder / "encoder.json").read_text())
    assert card["method"] == "dense"
    assert card["architecture"] == {"network": "resnet10", "size": [8, 16, 16], "channels": 1}
    load_encoder_weights(build_encoder("resnet10", (8, 16, 16)), folder, card["architecture"])
    head = json.loads((folder / "dense_head.json").read_text())["architecture"]
    load_encoder_weights(DenseHead(**head), folder, stem="dense_head")
    metrics = pd.read_csv(folder / "metrics.csv")
    assert set(metrics["split"]) == {"train", "val"}
    assert {"positive_cosine", "negative_cosine", "matched_cells"} <= set(metrics)
    assert not metrics["loss"].isna().any()


def test_slices_train_a_flat_encoder(sliced: Path, tmp_path: Path) -> None:
    study = Path(shutil.copytree(sliced, tmp_path / "study"))
    near = train(study, preprocessed="slices", images_per_epoch=16, dense_position_gap=0.35)
    assert near.run is not None
    card = json.loads((near.run.path / "encoder.json").read_text())
    assert card["architecture"]["size"] == [1, 16, 16]
    assert weights(near)["network.conv1.weight"].ndim == 4
    assert json.loads((near.run.path / "task.json").read_text())["steps"] == 2
    assert not equal(near, train(study, preprocessed="slices", images_per_epoch=16))


def test_it_can_be_called_by_name_and_is_listed(study: Path, medcl: Medcl) -> None:
    code, output = medcl("pretrain", "--study", study, "--method", "dense", "--dense-stride", "16", "--epochs", "1")
    assert code == 0, output
    code, output = medcl("list", "methods", "--json")
    listed = {method["name"]: method for method in json.loads(output)}
    assert "ICASSP 2023" in listed["dense"]["paper"]
    assert "dense_positives" in listed["dense"]["options"]


# --- test patients stay out, and a twin that lets them in ------------------------------------------------------------


def patients_read(study: Path, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Whose images a run reads when the last three patients are for testing."""
    parts = ["train"] * 7 + ["val"] * 2 + ["test"] * 3
    pd.DataFrame({"patient": PATIENTS, "split": parts}).to_csv(study / "mine.csv", index=False)
    seen: set[str] = set()
    read = Samples.read
    with monkeypatch.context() as patch:
        patch.setattr(Samples, "read", lambda self, row, out: seen.add(str(self.patients[row])) or read(self, row, out))
        train(study, splits=study / "mine.csv", cache="off")
    return seen


def test_test_patients_never_enter(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert patients_read(study, monkeypatch) == set(PATIENTS[:9])


def test_a_task_that_takes_every_image_is_noticed(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: the same look finds the test patients."""
    monkeypatch.setattr(Samples, "rows", lambda self, split: np.arange(len(self)))
    assert patients_read(study, monkeypatch) & set(PATIENTS[9:])


# --- options ---------------------------------------------------------------------------------------------------------


def test_views_are_the_dense_ones_where_the_user_does_not_choose(study: Path) -> None:
    views = build(study).source.loader.augmentation
    for name in ("flip_probability", "affine_probability", "rotation_degrees", "scale", "crop", "gamma", "noise_sd"):
        assert getattr(views, name) == getattr(DENSE_VIEWS, name), name
    assert (views.contrast, views.brightness, views.blur_sigma) == (0.2, 0.1, 0)
    (study / "medcl.toml").write_text((study / "medcl.toml").read_text() + "rotation = 5.0\n")
    views = build(study, crop=(0.8, 0.9), noise=0.0).source.loader.augmentation
    assert (views.rotation_degrees, views.crop, views.noise_sd) == (5.0, (0.8, 0.9), 0.0)
    assert views.gamma == DENSE_VIEWS.gamma


def test_other_methods_keep_their_defaults(study: Path) -> None:
    simclr, dense = options(study, method="simclr"), options(study)
    assert (simclr.temperature, simclr.rotation, simclr.crop, simclr.gamma) == (0.5, 10.0, None, 0.0)
    assert (dense.temperature, dense.rotation, dense.crop) == (0.1, 20.0, (0.5, 1.0))
    assert options(study, temperature=0.2).temperature == 0.2


@pytest.mark.parametrize(
    "given",
    [
        {"seed": 1},
        {"dense_positives": "geometric"},
        {"dense_stride": 16},
        {"dense_warmup": 1},
        {"dense_same_patient": False},
        {"dense_momentum": 0.5},
        {"temperature": 0.5},
        {"crop": (0.9, 1.0)},
        {"gamma": 0.0},
        {"brightness": 0.0},
        {"contrast": 0.0},
        {"rotation": 5.0},
        {"micro_batch": 3},
    ],
    ids=lambda given: "-".join(f"{name}={value}" for name, value in given.items()),
)
def test_every_option_changes_what_is_learned(prepared: Path, given: dict[str, Any]) -> None:
    assert learned(prepared, **given) != learned(prepared)


def test_how_many_images_an_epoch_has(prepared: Path) -> None:
    steps = [len(build(prepared, images_per_epoch=images).task.epoch(0)) for images in (None, 16, 32)]
    assert steps == [3, 2, 4]


@cache
def _learned(study: Path, given: tuple[tuple[str, Any], ...]) -> float:
    made = build(study, **dict(given))
    runner = StepRunner(made.method, options(study).settings(), torch.device("cpu"))
    made.method.train()
    for number, batch in enumerate(islice(made.source.batches(made.task.epoch(0), 0), 2)):
        runner.run(batch, 0, number, 3, number)
    return float(sum(weight.double().abs().sum() for weight in made.method.state_dict().values()))


def learned(study: Path, **given: Any) -> float:
    """A number that tells what two steps have made of the networks."""
    return _learned(study, tuple(given.items()))


def test_the_same_seed_gives_the_same_run(study: Path, base: Pretrained) -> None:
    assert equal(train(study), base)


def test_keys_start_from_the_given_weights(study: Path, base: Pretrained) -> None:
    assert base.run is not None
    made = build(study, init_from=base.run.path).method
    assert isinstance(made, Dense)
    expected = weights(base)
    for part in (made.embedder, made.keys):
        found = part.encoder.encoder.state_dict()
        assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_a_compiled_encoder_gives_the_same_weights(
    study: Path, base: Pretrained, monkeypatch: pytest.MonkeyPatch
) -> None:
    # torch's tracing without the minutes of generating code
    monkeypatch.setattr(GridOfCells, "compile", lambda self: nn.Module.compile(self, backend="eager"))
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    compiled = weights(train(study, compile=True))
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > 0
    for name, weight in weights(base).items():
        torch.testing.assert_close(compiled[name], weight, rtol=1e-3, atol=1e-4)


def test_options_without_effect_are_told(study: Path, medcl: Medcl) -> None:
    words = ["pretrain", "--study", study, "--method", "dense", "--epochs", "1", "--dry-run"]
    words += ["--margin", "0.3", "--dense-positives", "geometric", "--dense-warmup", "1"]
    told = medcl(*words)[1].split("Without effect in this run")[1]
    assert "--margin" in told
    assert "--dense-warmup" in told


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--network", "vit"], "--network vit has no feature maps"),
        (["--dense-stride", "8"], "--dense-stride: got '8'"),
        (["--crop", "0.9", "0.5"], "--crop is 0.9 0.5"),
        (["--dense-position-gap", "0.35"], "compares slices by where they lie"),
        (["--dense-momentum", "1"], "--dense-momentum: got '1'"),
        (["--variable", "gfr"], "--variable goes with --method variable"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input(study: Path, medcl: Medcl, words: list[str], expected: str) -> None:
    code, output = medcl("pretrain", "--study", study, "--method", "dense", *words)
    assert (code, expected in " ".join(output.split())) == (2, True), output
    assert not (study / "runs").exists()


def test_a_resumed_run_ends_like_an_unbroken_one(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"epochs": 2, "dense_warmup": 1, "crop": (0.7, 1.0)}
    unbroken = train(study, name="unbroken", **given)
    step = StepRunner.run

    def stopping(self: StepRunner, batch: Any, *place: int) -> None:
        if place[3] == 4:
            raise RunFailed("Stopped by the test.")
        step(self, batch, *place)

    with monkeypatch.context() as patch:
        patch.setattr(StepRunner, "run", stopping)
        with pytest.raises(RunFailed):
            train(study, name="broken", **given)
    resumed = pretrain(PretrainOptions.resolve({"study": study, "name": "broken", "resume": True}))
    assert equal(resumed, unbroken)
