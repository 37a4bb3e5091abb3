"""`medcl pretrain --method prompts` from the tables to the exported sides: defaults, options, resume, bad input."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from medcl.data.augment import draw
from medcl.evaluation.saved_encoder import open_encoder
from medcl.evaluation.saved_prompts import load_prompt_space
from medcl.methods.prompts import PromptContrast
from medcl.study.errors import BadInput, RunFailed
from medcl.study.folder import Study
from medcl.training.runner import StepRunner
from medcl.workflows.fold import build_fold, prepare
from medcl.workflows.pretrain import Pretrained, PretrainOptions, pretrain
from tests.networks.text_folders import write_bert

Medcl = Callable[..., tuple[int, str]]
CPU = torch.device("cpu")
RULES = """templates = [
    "The GFR was {gfr}. The grade was {grade}.",
    "{gfr} function.",
    "Grade: {grade}. Function: {gfr}.",
]
[slots.gfr]
variable = "gfr"
unit = "mL/min/1.73m2"
thresholds = [30, 60]
words = ["very low", "low", ["high", "good"]]
[slots.grade]
variable = "grade"
thresholds = [2]
words = ["low", "high"]
"""


@pytest.fixture(scope="module")
def ruled(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The prepared study with rules; never changed."""
    study = Path(shutil.copytree(prepared, tmp_path_factory.mktemp("ruled") / "study"))
    (study / "prompts.toml").write_text(RULES, encoding="utf-8")
    return study


@pytest.fixture
def study(ruled: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(ruled, tmp_path / "study"))


def options(study: Path, **given: Any) -> PretrainOptions:
    chosen = {"method": "prompts", "text_encoder": "scratch", "epochs": 1, "text_width": 16, **given}
    return PretrainOptions.resolve({"study": study, **chosen})


def train(study: Path, **given: Any) -> Pretrained:
    return pretrain(options(study, **given))


def weights(done: Pretrained, stem: str = "encoder") -> str:
    """The hash of exported weights."""
    assert done.run is not None
    return str(json.loads((done.run.path / f"{stem}.json").read_text())["weights_sha256"])


@pytest.fixture(scope="module")
def base(ruled: Path, tmp_path_factory: pytest.TempPathFactory) -> Pretrained:
    return train(Path(shutil.copytree(ruled, tmp_path_factory.mktemp("base") / "study")))


def test_a_run_leaves_both_sides_of_the_space(base: Pretrained) -> None:
    assert base.run is not None
    folder = base.run.path
    assert folder.name == "prompts"
    task = json.loads((folder / "task.json").read_text())
    assert (task["batch_size"], task["training_images_without_prompt"]) == (8, 0)
    assert {"own_cosine", "other_cosine", "scale", "median_rank"} <= set(pd.read_csv(folder / "metrics.csv"))
    images = open_encoder(folder, "projection", CPU)
    texts = load_prompt_space(folder, CPU)
    found = texts.embed(["The GFR was good. The grade was low.", "Low function."])
    assert found.shape == (2, images.features) == (2, 16)
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    assert images.module(torch.rand(1, 1, 8, 16, 16)).norm().item() == pytest.approx(1, abs=1e-6)
    assert texts.rules.templates[1] == "{gfr} function."
    with pytest.raises(BadInput, match="does not know"):
        texts.embed(["The heart was fine."])


def test_the_text_side_is_that_of_the_best_epoch(base: Pretrained) -> None:
    assert base.run is not None
    best = torch.load(base.run.path / "checkpoints" / "best.pt", weights_only=True)["method"]
    saved = load_prompt_space(base.run.path, CPU).space.state_dict()
    assert {name.removeprefix("texts.space.") for name in best if name.startswith("texts.")} == set(saved)
    assert all(torch.equal(best[f"texts.space.{name}"], value) for name, value in saved.items())
    assert not any(name in ("texts.ids", "texts.mask") for name in best)


def test_rules_that_changed_since_are_noticed(base: Pretrained, tmp_path: Path) -> None:
    assert base.run is not None
    folder = Path(shutil.copytree(base.run.path, tmp_path / "run"))
    (folder / "prompts.toml").write_text(RULES.replace("30, 60", "20, 60"), encoding="utf-8")
    with pytest.raises(BadInput, match="not the rules that the run was trained with"):
        load_prompt_space(folder, CPU)
    (folder / "text.json").unlink()
    with pytest.raises(BadInput, match="only runs of `medcl pretrain --method prompts`"):
        load_prompt_space(folder, CPU)


def test_the_same_seed_gives_the_same_run(study: Path, base: Pretrained) -> None:
    again = train(study)
    assert (weights(again), weights(again, "text")) == (weights(base), weights(base, "text"))


@pytest.mark.parametrize(
    "given",
    [
        {"targets": "identity"},
        {"text_pooling": "mean"},
        {"text_width": 8},
        {"micro_batch": 2},
        {"gamma": 0.0},
        {"warmup_epochs": 0.9},
        {"dropout": 0.5},
        {"rules": "other.toml"},
    ],
    ids=lambda given: "-".join(f"{name}={value}" for name, value in given.items()),
)
def test_every_option_changes_what_is_learned(study: Path, base: Pretrained, given: dict[str, Any]) -> None:
    (study / "other.toml").write_text(RULES.replace("30, 60", "45, 75"), encoding="utf-8")
    assert weights(train(study, **given)) != weights(base)


def test_the_defaults_are_the_papers(study: Path) -> None:
    (study / "medcl.toml").write_text("", encoding="utf-8")
    chosen = PretrainOptions.resolve({"study": study, "method": "prompts"})
    settings = chosen.settings()
    assert (settings.optimizer, settings.lr, settings.weight_decay) == ("adam", 1e-4, 0.2)
    assert (settings.epochs, settings.warmup, settings.schedule) == (200, 40, "cosine")
    assert (chosen.text_encoder, chosen.targets, chosen.dropout, chosen.gamma) == ("minilm", "shared", 0.0, 0.3)
    assert PretrainOptions.resolve({"study": study, "method": "prompts", "epochs": "10"}).settings().warmup == 2
    own = {"epochs": "10", "warmup_epochs": "3"}
    assert PretrainOptions.resolve({"study": study, "method": "prompts", **own}).settings().warmup == 3
    other = PretrainOptions.resolve({"study": study, "method": "simclr"})
    assert (other.optimizer, other.gamma, other.settings().warmup) == ("sgd", 0.0, 5)


def test_batches_of_88_and_each_change_of_a_view_half_of_the_time(study: Path) -> None:
    chosen = options(study, batch_size=None)
    made = build_fold(prepare(Study.find(study), chosen), chosen, None)
    assert getattr(made.task, "wanted", 0) == 88
    (group, without) = made.method.parameter_groups()["main"]
    assert (group["betas"], group["eps"], without["weight_decay"]) == ((0.9, 0.98), 1e-6, 0.0)
    settings = made.source.loader.augmentation
    assert settings is not None
    draws = draw(0, 0, np.arange(2000), settings)
    often = [draws.flip, draws.affine, draws.sigmas.amax(dim=1) > 0, draws.noise > 0, draws.gammas != 1]
    assert [share.double().mean().item() for share in often] == pytest.approx([0.5] * 5, abs=0.05)
    assert draws.gammas.log().abs().max().item() == pytest.approx(0.3, abs=0.01)
    simclr = options(study, method="simclr", text_encoder="minilm")
    others = build_fold(prepare(Study.find(study), simclr), simclr, None).source.loader.augmentation
    assert others is not None
    assert (others.blur_probability, others.gamma) == (1.0, 0.0)


def test_images_without_any_prompt_are_left_out(study: Path, medcl: Medcl) -> None:
    table = pd.read_csv(study / "cohort.csv", dtype=str)
    table.loc[table["patient"] == "P005", ["gfr [mL/min/1.73m2]", "grade"]] = ""
    table.to_csv(study / "cohort.csv", index=False)
    words = ["--text-encoder", "scratch", "--epochs", "1", "--text-width", "8", "--seed", "0"]
    code, output = medcl("pretrain", "--study", study, "--method", "prompts", *words)
    told = " ".join(output.split())
    assert code == 0, output
    assert "2 of " in told
    assert "images have no prompt and are left out" in told
    task = json.loads((study / "runs" / "prompts" / "task.json").read_text())
    assert task["training_images_without_prompt"] + task["validation"]["images"] > 0


def test_a_resumed_run_ends_like_an_unbroken_one(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unbroken = train(study, name="unbroken", epochs=2)
    step = StepRunner.run

    def stopping(self: StepRunner, batch: Any, *place: int) -> None:
        if place[0] == 1 and place[1] == 1:
            raise RunFailed("Stopped by the test.")
        step(self, batch, *place)

    with monkeypatch.context() as patch:
        patch.setattr(StepRunner, "run", stopping)
        with pytest.raises(RunFailed):
            train(study, name="broken", epochs=2)
    asked = PretrainOptions.resolve({"study": study, "name": "broken", "resume": True})
    (study / "prompts.toml").write_text(RULES.replace("30, 60", "31, 60"), encoding="utf-8")
    with monkeypatch.context() as patch:
        table = pd.read_csv(study / "cohort.csv", dtype=str)
        table.loc[0, "grade"] = "0" if int(table.loc[0, "grade"]) >= 2 else "3"
        shutil.copy(study / "cohort.csv", study / "before.csv")
        table.to_csv(study / "cohort.csv", index=False)
        with pytest.raises(BadInput, match="what the prompts say changed"):
            pretrain(asked)
        shutil.move(study / "before.csv", study / "cohort.csv")
    (study / "prompts.toml").write_text(RULES, encoding="utf-8")
    resumed = pretrain(asked)
    for stem in ("encoder", "projection", "text"):
        assert weights(resumed, stem) == weights(unbroken, stem)


def test_a_frozen_text_encoder_is_neither_trained_nor_saved(study: Path, tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    torch.manual_seed(0)
    bert = str(write_bert(tmp_path / "bert"))
    done = train(study, text_encoder=bert, frozen_layers=3, name="frozen")
    assert done.run is not None
    space = load_prompt_space(done.run.path, CPU)
    assert set(space.space.state_dict()) == {"projection.layers.0.weight", "projection.layers.0.bias"}
    kept = torch.load(done.run.path / "checkpoints" / "best.pt", weights_only=True)["method"]
    assert {name for name in kept if name.startswith("texts")} == {
        f"texts.space.{name}" for name in space.space.state_dict()
    }
    assert space.embed(["the gfr was low."]).shape == (1, 16)
    torch.manual_seed(1)
    write_bert(tmp_path / "bert")
    with pytest.raises(BadInput, match="has other weights here"):
        load_prompt_space(done.run.path, CPU)
    partly = options(study, text_encoder=bert, frozen_layers=2)
    method = build_fold(prepare(Study.find(study), partly), partly, None).method
    assert isinstance(method, PromptContrast)
    assert not method.text_space.frozen


def test_folds_have_their_own_text_sides(study: Path) -> None:
    done = train(study, folds=2)
    assert done.run is not None
    spaces = [load_prompt_space(done.run.folder(fold), CPU) for fold in (1, 2)]
    assert spaces[0].space.shape == spaces[1].space.shape  # the vocabulary, too


@pytest.mark.parametrize(
    ("rules", "words", "expected"),
    [
        (RULES, ["--text-encoder", "no/such"], "--text-encoder no/such"),
        (RULES, ["--frozen-layers", "2"], "--text-encoder scratch starts from random weights"),
        (RULES, ["--targets", "none"], "--targets: got 'none'"),
        (RULES, ["--text-width", "0"], "--text-width: got '0'"),
        (RULES, ["--rules", "nowhere.toml"], "nowhere.toml"),
        (RULES, ["--variable", "gfr"], "--variable goes with --method variable"),
        (RULES.replace('variable = "grade"', 'variable = "rank"'), [], "[slots.grade]"),
        (RULES.replace("[30, 60]", "[900, 901]").replace("[2]", "[50]"), [], "say the same"),
        (RULES.replace("Grade: ", "very " * 80), [], "at most 77 tokens"),
    ],
    ids=["encoder", "frozen", "targets", "width", "file", "variable", "column", "same", "long"],
)
def test_bad_input(study: Path, medcl: Medcl, rules: str, words: list[str], expected: str) -> None:
    (study / "prompts.toml").write_text(rules, encoding="utf-8")
    given = [] if "--text-encoder" in words else ["--text-encoder", "scratch"]
    code, output = medcl("pretrain", "--study", study, "--method", "prompts", "--epochs", "1", *given, *words)
    assert (code, expected in " ".join(output.split())) == (2, True), output
    assert not (study / "runs").exists()


def test_no_usable_prompt_at_all(study: Path, medcl: Medcl) -> None:
    table = pd.read_csv(study / "cohort.csv", dtype=str)
    table[["gfr [mL/min/1.73m2]", "grade"]] = ""
    table.to_csv(study / "cohort.csv", index=False)
    code, output = medcl("pretrain", "--study", study, "--method", "prompts", "--text-encoder", "scratch")
    assert code == 2, output
    assert not (study / "runs").exists()


def test_options_of_the_prompts_are_told_where_they_have_no_effect(study: Path, medcl: Medcl) -> None:
    words = ["pretrain", "--study", study, "--method", "simclr", "--dry-run", "--targets", "identity"]
    told = medcl(*words, "--text-encoder", "scratch")[1].split("Without effect in this run")[1]
    assert "--targets" in told
    assert "--text-encoder" in told
