"""What goes with `medcl segment train --method translated`, and what does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from medcl.methods.registry import SEGMENTATION_METHODS
from medcl.study.errors import BadInput
from medcl.workflows.segment_train import SegmentTrainOptions
from medcl.workflows.translated_options import OTHERS, OWN, SEEN_BY_GENERATOR

TRANSLATED = {"method": "translated", "translation": "ct-mr"}

CHANGED: dict[str, Any] = {
    **{"translation": "none", "source": "modality=ct", "target": "modality=mr", "source_preprocessed": "ct"},
    **{"target_preprocessed": "mr", "target_study": Path("mr"), "widths": [8, 16], "deep_supervision": 1},
    **{"average": 0.9, "network": "resnet18", "decoders": ["bilinear"], "loss": "ce", "consistency_weight": 1.0},
    **{"ramp_up": 0.0, "confidence": 0.5, "teacher": 0.9, "mix": "copy-paste", "preprocessed": "ct", "labeled": "2"},
    **{"labeled_patients": Path("list.csv"), "labeled_share": 0.25, "unlabeled_from": "all", "encoder_lr": 0.1},
    **{"init_from": Path("runs/dense")},
}
"""A value of each option that belongs to some methods only, other than its default."""


def options(**given: Any) -> SegmentTrainOptions:
    return SegmentTrainOptions(**given)


@pytest.mark.parametrize("name", OWN)
def test_its_options_are_refused_with_other_methods(name: str) -> None:
    told = rf"--{name.replace('_', '-')} goes with --method translated, not with --method supervised"
    with pytest.raises(BadInput, match=told):
        options(method="supervised", **{name: CHANGED[name]})
    options(**{**TRANSLATED, name: CHANGED[name]})


@pytest.mark.parametrize("name", OTHERS)
def test_other_methods_options_are_refused_with_it(name: str) -> None:
    with pytest.raises(BadInput, match=rf"--{name.replace('_', '-')} has no part in --method translated"):
        options(**TRANSLATED, **{name: CHANGED[name]})


def test_several_are_told_at_once() -> None:
    with pytest.raises(BadInput, match="--loss, --teacher have no part"):
        options(**TRANSLATED, loss="ce", teacher=0.5)
    with pytest.raises(BadInput, match="--source, --target go with --method translated, not with --method ideal"):
        options(source="modality=ct", target="modality=mr")


def test_defaults_of_the_settings_file_are_no_choice(tmp_path: Path) -> None:
    """medcl.toml may hold what another method needs, as long as nothing contradicts."""
    (tmp_path / "medcl.toml").write_text('[segment.train]\nloss = "ce+dice"\naverage = 0.0\nepochs = 7\n')
    assert SegmentTrainOptions.resolve({"study": tmp_path, **TRANSLATED}).epochs == 7
    assert SegmentTrainOptions.resolve({"study": tmp_path}).epochs == 7
    (tmp_path / "medcl.toml").write_text("[segment.train]\nteacher = 0.9\n")
    with pytest.raises(BadInput, match="--teacher has no part"):
        SegmentTrainOptions.resolve({"study": tmp_path, **TRANSLATED})


def test_a_translation_must_be_told() -> None:
    with pytest.raises(BadInput, match=r"needs --translation RUN.* or --translation none"):
        options(method="translated")
    options(method="translated", resume=True)  # a resumed run's own options are read later


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"widths": [8]}, "--widths 8: expected two numbers or more"),
        ({"widths": "8,0"}, "--widths 8,0: expected two numbers or more, each 1 or more"),
        ({"widths": "8,16,32", "deep_supervision": 2}, "a U-Net of 3 --widths has 1 levels to supervise"),
        ({"average": 1.0}, "--average"),
        ({"source": "modality"}, "COLUMN=VALUE"),
    ],
)
def test_values_that_cannot_be_used(given: dict[str, Any], told: str) -> None:
    with pytest.raises(BadInput, match=told):
        options(**{**TRANSLATED, **given})


def test_a_generator_sees_what_it_was_trained_on_unless_told() -> None:
    """Other methods, and slices that nothing translates, keep the command's own defaults."""
    own = {name: SegmentTrainOptions.model_fields[name].default for name in SEEN_BY_GENERATOR}
    made = options(**TRANSLATED)
    assert {name: getattr(made, name) for name in SEEN_BY_GENERATOR} == SEEN_BY_GENERATOR
    assert options(**TRANSLATED, gamma=0.2).gamma == 0.2
    for given in ({}, {"method": "supervised"}, {"method": "translated", "translation": "none"}):
        made = options(**given)
        assert {name: getattr(made, name) for name in SEEN_BY_GENERATOR} == own
    from medcl.workflows.translate_train import TranslateTrainOptions

    shown = TranslateTrainOptions.model_fields
    assert {
        name: shown[name].default for name in SEEN_BY_GENERATOR if name in shown
    }.items() <= SEEN_BY_GENERATOR.items()


def test_runs_by_name_and_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "study" / "runs" / "ct-mr").mkdir(parents=True)
    (tmp_path / "elsewhere" / "ct-mr-2").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    named = {"method": "translated", "study": Path("study")}
    assert options(**named, translation="ct-mr").translation == "ct-mr"
    assert options(**named, translation="elsewhere/ct-mr-2").translation == str(tmp_path / "elsewhere" / "ct-mr-2")
    assert options(**named, translation="none").translation == "none"


def test_the_name_of_a_run_tells_the_method() -> None:
    assert options(**TRANSLATED).stem == "translated"
    assert options(method="translated", translation="none").stem == "translated-none"


def test_the_registry_names_options_of_the_command() -> None:
    assert set(SEGMENTATION_METHODS) == set(SegmentTrainOptions.model_fields["method"].annotation.__args__)
    assert set(SEGMENTATION_METHODS["translated"].options) <= set(OWN)
