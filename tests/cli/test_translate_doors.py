"""`medcl translate` from the command line: what is printed, what medcl.toml says, what other commands make of a run."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from medcl.methods.registry import TRANSLATION_METHODS
from medcl.study.errors import BadInput
from medcl.study.folder import Study
from medcl.workflows.translate_train import TranslateTrainOptions
from tests.workflows.two_modalities import LABELS, copied, two_modalities

Medcl = Callable[..., tuple[int, str]]

SETTINGS = (
    LABELS
    + """
[translate.train]
source-preprocessed = "ct"
target-preprocessed = "mr"
segment = true
filters = 2
blocks = 1
discriminator-filters = 2
widths = [2, 4]
patches = 16
epochs = 1
batch-size = 2
precision = "fp32"
device = "cpu"
workers = 1
"""
)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return two_modalities(tmp_path_factory.mktemp("doors") / "study", labels=SETTINGS)


@pytest.fixture
def study(template: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """A copy to spoil, which is where the commands are given."""
    made = copied(template, tmp_path / "study")
    monkeypatch.chdir(made.root)
    return made


def plain(said: str) -> str:
    return " ".join(said.split())


def test_from_training_to_translations_and_masks(study: Study, medcl: Medcl) -> None:
    code, said = medcl("translate", "train", "--source", "modality=ct", "--target", "modality=mr")
    assert code == 0, said
    run = study.runs / "translate-ct-mr"
    assert f"Run translate-ct-mr is in {run}" in said
    assert f"Page: {run / 'translation.html'}" in said
    then = "Next: medcl translate apply --run translate-ct-mr; medcl segment apply, for masks of target images"
    assert then in said
    assert "Source: 12 slices of 4 images of 4 patients." in said
    assert "Labelled: 2 of 2 training patients" in said

    code, said = medcl("translate", "apply", "--device", "cpu")
    assert code == 0, said
    assert (study.root / "translations" / "translate-ct-mr" / "C4.nii.gz").is_file()
    code, said = medcl("segment", "apply", "--device", "cpu")
    assert code == 0, said
    assert (study.root / "segmentations" / "translate-ct-mr" / "M4.nii.gz").is_file()
    code, said = medcl("list", "runs")
    assert code == 0
    assert "translate-ct-mr" in said


def test_without_a_segmentation_network_masks_are_not_spoken_of(study: Study, medcl: Medcl) -> None:
    (study.root / "medcl.toml").write_text(re.sub(r"(segment|widths) = .*\n", "", SETTINGS))
    code, said = medcl("translate", "train", "--name", "plain")
    assert code == 0, said
    assert "Next: medcl translate apply --run plain" in said
    assert "segment apply" not in said
    code, said = medcl("segment", "apply", "--run", "plain", "--device", "cpu")
    assert code == 2
    assert "the run plain was trained without --segment" in plain(said)


def test_a_dry_run_tells_what_to_expect(study: Study, medcl: Medcl) -> None:
    code, said = medcl("translate", "train", "--dry-run")
    assert code == 0, said
    assert "A dry run: nothing was written." in said
    assert not study.runs.exists()


def test_settings_of_the_study_hold_and_flags_win(study: Study) -> None:
    found = TranslateTrainOptions.resolve({"study": study.root})
    assert (found.segment, found.widths, found.filters, found.batch_size) == (True, [2, 4], 2, 2)
    assert TranslateTrainOptions.resolve({"study": study.root, "widths": "4,8,16"}).widths == [4, 8, 16]
    (study.root / "medcl.toml").write_text("[translate.train]\ngan-wieght = 1\n")
    with pytest.raises(BadInput, match=r"medcl\.toml \[translate\.train\] gan.wieght"):
        TranslateTrainOptions.resolve({"study": study.root})


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--source-preprocessed", "mr"], "is not told: give filters, such as --source modality=ct"),
        (["--source", "ct"], "--source: got 'ct', but COLUMN=VALUE is expected"),
        (["--target", "mr"], "--target: got 'mr', but COLUMN=VALUE is expected"),
        (["--target", "modality=us"], "no image of"),
        (["--self-training", "0.1"], "--self-training needs --average, such as 0.999"),
        (["--confidence", "0.5"], "--confidence without --self-training: nothing is learned from target slices."),
        (["--blocks", "0"], "--blocks"),
        (["--nce-reduction", "max"], "--nce-reduction"),
        (["--target-study", "gone"], "gone"),
        (["--init-from", "gone"], "gone"),
        (["--resume"], "translate train"),
        (["--epochs", "2", "--constant-epochs", "3"], "--constant-epochs"),
    ],
    ids=" ".join,
)
def test_bad_input_is_told_in_a_sentence(study: Study, medcl: Medcl, words: list[str], told: str) -> None:
    code, said = medcl("translate", "train", *words)
    assert code == 2, said
    assert told in plain(said)
    assert "Traceback" not in said
    assert not study.runs.exists()


def test_the_method_is_listed(medcl: Medcl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, said = medcl("list", "methods", "--json")
    assert code == 0
    rows = [row for row in json.loads(said) if row["command"] == "translate train"]
    assert [row["name"] for row in rows] == list(TRANSLATION_METHODS)
    assert "Zeng" in rows[0]["paper"]


def test_the_listed_options_are_there() -> None:
    for method in TRANSLATION_METHODS.values():
        assert set(method.options) <= set(TranslateTrainOptions.model_fields)


def test_every_option_is_helped_with(medcl: Medcl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    code, said = medcl("translate", "train", "--help")
    assert code == 0
    for name in TranslateTrainOptions.model_fields:
        if name != "study":
            assert f"--{name.replace('_', '-')}" in said, name
    code, said = medcl("translate", "--help")
    assert code == 0
    assert "Learn a translation" in said
