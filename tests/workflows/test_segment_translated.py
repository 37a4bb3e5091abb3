"""`medcl segment train --method translated`: masks of CT, slices that look like MR, a network of MR."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from medcl.evaluation.saved_segmenter import load_segmenter
from medcl.imaging.store import VolumeStore
from medcl.networks.unet import UNet
from medcl.study.errors import BadInput
from medcl.study.folder import Study
from medcl.study.segmentations import read_segmentations
from medcl.workflows.embed import EmbedOptions, embed
from medcl.workflows.segment_apply import SegmentApplyOptions, segment_apply
from medcl.workflows.segment_train import SegmentTrainOptions, segment_train
from medcl.workflows.translated_training import build, prepare
from tests.workflows.two_modalities import SIZE, SPLIT, copied, translation_run, two_modalities
from tests.workflows.two_modalities import prepare as preprocessed

QUICK: dict[str, Any] = {
    "method": "translated",
    "translation": "translate-ct-mr",
    "source_preprocessed": "ct",
    "target_preprocessed": "mr",
    "widths": [4, 8, 8],
    "epochs": 2,
    "batch_size": 3,
    "precision": "fp32",
    "device": "cpu",
}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    made = two_modalities(tmp_path_factory.mktemp("translated") / "study")
    translation_run(made)
    return made


def options(study: Study, **changed: Any) -> SegmentTrainOptions:
    return SegmentTrainOptions(**{"study": study.root, **QUICK, **changed})


def rows(run: Path) -> list[str]:
    """metrics.csv without its times."""
    lines = [line.split(",") for line in (run / "metrics.csv").read_text().splitlines()]
    timed = {place for place, name in enumerate(lines[0]) if name.endswith("_share") or name == "seconds"}
    return [",".join(cell for place, cell in enumerate(line) if place not in timed) for line in lines]


def test_a_run_leaves_a_network_of_target_images(study: Study) -> None:
    done = segment_train(options(study, name="whole", deep_supervision=1))
    assert done.run is not None
    assert done.run.status == "finished"
    saved = load_segmenter(done.run.path, torch.device("cpu"))
    assert isinstance(saved.network, UNet)
    assert [each.name for each in saved.classes] == ["ring", "core"]
    stores = {name: VolumeStore.open(study.preprocessed(name)) for name in ("ct", "mr")}
    assert saved.recipe == stores["mr"].recipe != stores["ct"].recipe
    assert saved.card["recipe_key"] == stores["mr"].recipe.key()
    assert (saved.card["modalities"], saved.card["method"]) == (["mr"], "translated")
    assert (saved.card["preprocessed"], saved.size) == ("mr", SIZE)
    assert saved.card["source"]["recipe_key"] == stores["ct"].recipe.key()
    assert saved.card["translation"]["run"] == "translate-ct-mr"
    assert saved.card["labelled_patients"] == ["C1", "C2"]
    record = json.loads((done.run.path / "run.json").read_text())
    assert record["labelled_patients"] == ["C1", "C2"]
    assert {"source_volumes", "target_volumes", "splits", "labels", "translation"} == set(record["inputs"])
    header = (done.run.path / "metrics.csv").read_text().splitlines()[0].split(",")
    assert {"dice_1", "dice_2"} <= set(header)
    assert not (done.run.path / "encoder.safetensors").exists()
    applied = segment_apply(SegmentApplyOptions(study=study.root, run="whole", device="cpu"))
    assert [(row.case, row.split) for row in read_segmentations(applied.folder)[0]] == [("M4", "test")]
    with pytest.raises(BadInput, match="is a U-Net, whose way down"):
        embed(EmbedOptions(study=study.root, run="whole"))


def test_without_a_translation_slices_stay_as_they_are(study: Study) -> None:
    asked = options(study, translation="none")
    assert build(prepare(study, asked), asked).method.generator is None
    done = segment_train(options(study, translation="none", name="none"))
    assert done.run is not None
    card = load_segmenter(done.run.path, torch.device("cpu")).card
    assert card["translation"] is None
    assert card["modalities"] == ["mr"]
    assert json.loads((done.run.path / "run.json").read_text())["inputs"]["translation"] == "none"


def test_the_generator_is_in_what_is_learned(study: Study) -> None:
    """The same first weights and slices: only the generator differs, and the losses do."""
    same = {name: getattr(options(study), name) for name in ("gamma", "noise", "brightness", "contrast")}
    found = []
    for translation in ("translate-ct-mr", "none"):
        asked = options(study, translation=translation, **same)
        made = build(prepare(study, asked), asked)
        batch = next(made.source.batches(made.task.epoch(0), 0))
        found.append((batch.volumes, next(made.method.segmenter.parameters()), next(made.method.steps(batch)).loss))
    (volumes, weights, loss), (others, theirs, plain) = found
    assert torch.equal(volumes, others)
    assert torch.equal(weights, theirs)
    assert abs(float(loss.detach()) - float(plain.detach())) > 1e-3


def test_a_resumed_run_is_the_unbroken_one(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped after the first epoch, with a moving average."""
    from medcl.training import loop
    from medcl.training.interrupt import Interrupted

    unbroken = segment_train(options(study, name="unbroken", average=0.9)).run
    asked = iter([False, False, True])
    with monkeypatch.context() as patch:
        patch.setattr(loop, "any_rank", lambda flag: next(asked))
        with pytest.raises(Interrupted):
            segment_train(options(study, name="broken", average=0.9))
    assert next(asked, "spent") == "spent"
    record = study.runs / "broken" / "run.json"  # the process that wrote it is this one, which lives
    record.write_text(json.dumps(json.loads(record.read_text()) | {"status": "stopped"}))
    resumed = segment_train(SegmentTrainOptions(study=study.root, name="broken", resume=True)).run
    assert unbroken is not None
    assert resumed is not None
    assert rows(resumed.path) == rows(unbroken.path)
    same = [(run.path / "segmenter.safetensors").read_bytes() for run in (unbroken, resumed)]
    assert same[0] == same[1]


def test_a_resumed_run_notices_another_generator(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from medcl.training import loop
    from medcl.training.interrupt import Interrupted

    other = copied(study, tmp_path / "study")
    run = translation_run(other)
    with monkeypatch.context() as patch:
        asked = iter([False, False, True])
        patch.setattr(loop, "any_rank", lambda flag: next(asked))
        with pytest.raises(Interrupted):
            segment_train(options(other, name="broken"))
    record = other.runs / "broken" / "run.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"status": "stopped"}))
    change_weights(run)
    with pytest.raises(BadInput, match="the generator of --translation changed since"):
        segment_train(SegmentTrainOptions(study=other.root, name="broken", resume=True))


def change_weights(run: Path) -> None:
    from medcl.evaluation.saved_translator import load_translator
    from medcl.training.export import export_encoder

    saved = load_translator(run, torch.device("cpu"))
    with torch.no_grad():
        next(saved.network.parameters()).add_(0.5)
    export_encoder(saved.network, run, saved.card, "generator")


@pytest.mark.parametrize(
    ("changed", "where", "value"),
    [
        ({"widths": [4, 8]}, "method.segmenter.encoder.levels.__len__", 2),
        ({"deep_supervision": 1}, "method.segmenter.decoders.0.heads.__len__", 2),
        ({"average": 0.9}, "method.momentum", 0.9),
        ({"translation": "none"}, "method.generator", None),
        ({"batch_size": 2}, "task.batch_size", 2),
        ({"batch_size": None}, "task.batch_size", 24),
        ({"steps_per_epoch": 5}, "task.steps", 5),
        ({"empty_slices": 0.5}, "task.options.empty_share", 0.5),
        ({"seed": 3}, "task.options.seed", 3),
        ({"flip": 0.5}, "source.loader.augmentation.flip_probability", 0.5),
        ({"gamma": 0.1}, "source.loader.augmentation.gamma", 0.1),
        ({"curve": 0.5}, "source.loader.augmentation.curve_probability", 0.5),
        ({"sharpness": 0.4}, "source.loader.augmentation.sharpness", 0.4),
        ({"elastic": 4.0}, "source.loader.augmentation.elastic", 4.0),
    ],
)
def test_every_option_reaches_what_it_is_for(study: Study, changed: dict[str, Any], where: str, value: object) -> None:
    def found(asked: SegmentTrainOptions) -> object:
        thing: Any = build(prepare(study, asked), asked)
        for part in where.split("."):
            thing = thing[int(part)] if part.isdecimal() else getattr(thing, part)
        return thing() if callable(thing) and part.startswith("__") else thing

    assert found(options(study, **changed)) == value
    assert found(options(study)) != value


def test_a_targets_mask_changes_nothing(study: Study, tmp_path: Path) -> None:
    """Not even a training patient's; the twin: that of a source patient does."""
    plain = trained(study, tmp_path / "a", None)
    assert trained(study, tmp_path / "b", "M1") == plain
    assert trained(study, tmp_path / "c", "C1") != plain


def trained(study: Study, root: Path, patient: str | None) -> list[str]:
    """The metrics of a training on a copy of the study in which a patient's labels are all exchanged."""
    other = copied(study, root)
    translation_run(other)
    for file in (other.root / "preprocessed").glob(f"*/labels/*{patient}*.npy"):
        np.save(file, (np.load(file) * 2 % 3).astype(np.uint8))
    done = segment_train(options(other, name="a", epochs=1))
    assert done.run is not None
    return rows(done.run.path)


def test_filters_of_one_store_and_their_card(study: Study, tmp_path: Path) -> None:
    """One store of both modalities, told apart by their columns."""
    other = copied(study, tmp_path / "study")
    preprocessed(other, "default", intensity="percentile")
    asked = {"source": "modality=ct", "target": "modality=mr", "translation": "none"}
    done = segment_train(options(other, **asked, source_preprocessed=None, target_preprocessed=None, name="one"))
    assert done.run is not None
    assert load_segmenter(done.run.path, torch.device("cpu")).card["target"]["filter"] == "modality=mr"
    applied = segment_apply(SegmentApplyOptions(study=other.root, run="one", split="all", device="cpu"))
    assert applied.masks == 4


class TestRefusals:
    def test_a_translation_that_is_none(self, study: Study) -> None:
        with pytest.raises(BadInput, match=r"--translation translate-ct-mx: no such run.*there are translate-ct-mr"):
            prepare(study, options(study, translation="translate-ct-mx"))

    def test_a_run_of_another_kind(self, study: Study, tmp_path: Path) -> None:
        other = copied(study, tmp_path / "study")
        run = translation_run(other)
        record = json.loads((run / "run.json").read_text())
        (run / "run.json").write_text(json.dumps(record | {"kind": "segment"}))
        with pytest.raises(BadInput, match="this is a run of `medcl segment`, not of `medcl translate train`"):
            prepare(other, options(other))
        (run / "run.json").write_text(json.dumps(record | {"status": "failed"}))
        with pytest.raises(BadInput, match="--translation translate-ct-mr: the run is failed"):
            prepare(other, options(other))

    def test_slices_that_were_made_otherwise(self, study: Study, tmp_path: Path) -> None:
        other = copied(study, tmp_path / "study")
        translation_run(other)
        preprocessed(other, "wide", only=["modality=ct"], hu_window=(-1000.0, 1000.0))
        told = r"its source was prepared by another recipe \(there\) than wide \(now\): hu_window: -200 300 there"
        with pytest.raises(BadInput, match=told):
            prepare(other, options(other, source_preprocessed="wide"))
        preprocessed(other, "plain", only=["modality=mr"])
        with pytest.raises(BadInput, match=r"its target was prepared by another recipe .* intensity: percentile there"):
            prepare(other, options(other, target_preprocessed="plain"))
        prepare(other, options(other, target_preprocessed="plain", translation="none"))

    def test_slices_of_another_size(self, study: Study, tmp_path: Path) -> None:
        other = copied(study, tmp_path / "study")
        translation_run(other, size=[1, 24, 32])
        with pytest.raises(BadInput, match="it translates slices of 24 x 32 pixels"):
            prepare(other, options(other))

    def test_the_other_direction(self, study: Study) -> None:
        asked = {"source_preprocessed": "mr", "target_preprocessed": "ct"}
        with pytest.raises(BadInput, match="its source was prepared by another recipe"):
            prepare(study, options(study, **asked))

    def test_no_masks_of_the_source(self, tmp_path: Path) -> None:
        other = two_modalities(tmp_path / "study", masked=("M4",))
        with pytest.raises(BadInput, match="none of the 2 training patients has a mask"):
            prepare(other, options(other, translation="none"))

    def test_a_target_with_other_label_classes(self, tmp_path: Path) -> None:
        other = two_modalities(tmp_path / "study", masked=("C1", "C2", "C3", "M1"))
        for file in (other.root / "preprocessed" / "mr" / "labels").glob("*M1*.npy"):
            labels = np.load(file)
            labels[0, 0, :4] = 9
            np.save(file, labels)
        with pytest.raises(BadInput, match=r"mask of the target's image .*M1.* 9 \(4 voxels\)"):
            prepare(other, options(other, translation="none"))

    def test_a_batch_that_several_processes_cannot_share(self, study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("medcl.workflows.translated_training.world_size", lambda: 4)
        with pytest.raises(BadInput, match="A batch of 3 slices cannot be shared among 4 processes"):
            build(prepare(study, options(study)), options(study))


@pytest.mark.parametrize(
    ("there", "patient", "what"),
    [
        ({"C4": "train"}, "C4", "be tested on"),
        ({"M4": "train"}, "M4", "be tested on"),
        ({"M4": "val"}, "M4", "be tested on"),
        ({"C3": "train"}, "C3", "be validated on"),
        ({"M3": "train"}, "M3", "be validated on"),
    ],
)
def test_a_translation_that_saw_held_out_patients_is_refused(
    study: Study, tmp_path: Path, there: dict[str, str], patient: str, what: str
) -> None:
    """Of the source and of the target."""
    other = copied(study, tmp_path / "study")
    translation_run(other, split={**SPLIT, **there})
    told = rf"--translation .*: the network in .* has seen 1 patient who would {what} now \({patient}\)"
    with pytest.raises(BadInput, match=told):
        prepare(other, options(other))
    prepare(other, options(other, translation="none"))


def test_nothing_but_the_guard_notices_such_a_translation(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: without it the run would begin."""
    other = copied(study, tmp_path / "study")
    translation_run(other, split={**SPLIT, "M4": "train"})
    monkeypatch.setattr("medcl.workflows.translated_training.refuse_leaking_weights", lambda *given, **options: None)
    prepare(other, options(other))


def test_held_out_patients_are_known_by_their_voxels_too(study: Study, tmp_path: Path) -> None:
    """A run of another study, which calls them otherwise; with its own split it may be used."""
    other = copied(study, tmp_path / "other")
    run = translation_run(other, split={**SPLIT, "C3": "train", "C1": "val"})
    asked = options(study, translation=str(run))
    with pytest.raises(BadInput, match=r"be validated on now \(C3\)"):
        prepare(study, asked)
    prepare(study, options(study, translation=str(run), splits=run / "splits.csv"))


def test_a_dry_run_writes_nothing(study: Study) -> None:
    before = sorted(study.root.rglob("*"))
    done = segment_train(options(study, dry_run=True))
    assert done.forecast is not None
    assert sorted(study.root.rglob("*")) == before


def test_what_the_user_is_told(study: Study, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="medcl"):
        segment_train(options(study, dry_run=True))
        segment_train(options(study, dry_run=True, translation="none"))
    assert "Learns from slices that the run translate-ct-mr translates." in caplog.text
    assert "Learns from source slices as they are, without a translation." in caplog.text
    assert "Without effect" not in caplog.text
