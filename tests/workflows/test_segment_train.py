from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch

from medcl.evaluation.saved_segmenter import load_segmenter
from medcl.networks.unet import UNet
from medcl.study.errors import BadInput
from medcl.study.folder import Study
from medcl.study.label_classes import LabelClass
from medcl.training.export import export_encoder
from medcl.workflows.embed import EmbedOptions, embed
from medcl.workflows.preprocess import PreprocessOptions, preprocess
from medcl.workflows.segment_apply import SegmentApplyOptions, segment_apply
from medcl.workflows.segment_train import SegmentTrainOptions, segment_train
from medcl.workflows.segmentation_training import build, prepare
from tests.workflows.segmentation_study import SIZE, prepared_study, save

QUICK: dict[str, Any] = {
    "network": "resnet10",
    "epochs": 2,
    "steps_per_epoch": 2,
    "batch_size": 4,
    "precision": "fp32",
    "device": "cpu",
    "labeled": "2",
}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return prepared_study(tmp_path_factory.mktemp("segment") / "study")


def options(study: Study, **changed: Any) -> SegmentTrainOptions:
    return SegmentTrainOptions(**{"study": study.root, **QUICK, **changed})


def rows(run: Path) -> list[str]:
    """metrics.csv without its times."""
    lines = [line.split(",") for line in (run / "metrics.csv").read_text().splitlines()]
    timed = {place for place, name in enumerate(lines[0]) if name.endswith("_share") or name == "seconds"}
    return [",".join(cell for place, cell in enumerate(line) if place not in timed) for line in lines]


def test_a_run_leaves_a_network_that_can_be_applied(study: Study) -> None:
    done = segment_train(options(study, name="whole"))
    assert done.run is not None
    assert done.run.status == "finished"
    saved = load_segmenter(done.run.path, torch.device("cpu"))
    assert saved.classes == [LabelClass(1, "ring", "#0072B2"), LabelClass(2, "core", "#D55E00")]
    assert saved.size == SIZE
    shown = saved.network.probabilities(torch.zeros(1, 1, *SIZE))
    assert shown.shape == (1, 3, *SIZE)
    torch.testing.assert_close(shown.sum(dim=1), torch.ones(1, *SIZE))
    record = json.loads((done.run.path / "run.json").read_text())
    assert len(record["labelled_patients"]) == 2
    assert set(record["labelled_patients"]) == set(saved.card["labelled_patients"])
    assert (done.run.path / "encoder.safetensors").exists()
    header = (done.run.path / "metrics.csv").read_text().splitlines()[0].split(",")
    assert {"loss_labelled", "loss_unlabelled", "agreement", "dice_1", "dice_2"} <= set(header)


def test_a_unet_of_slices_is_trained_to_compare_with(study: Study) -> None:
    slices = PreprocessOptions(study=study.root, name="slices", slices="axial", slice_size=(32, 32), quality=False)
    preprocess(slices)
    unet: dict[str, Any] = {"method": "supervised", "network": "unet", "widths": [4, 8, 8]}
    done = segment_train(options(study, name="unet", preprocessed="slices", **unet))
    assert done.run is not None
    saved = load_segmenter(done.run.path, torch.device("cpu"))
    assert isinstance(saved.network, UNet)
    assert saved.card["architecture"]["widths"] == [4, 8, 8]
    assert not (done.run.path / "encoder.safetensors").exists()
    assert done.run.record["outputs"] == ["segmenter.safetensors"]
    applied = segment_apply(SegmentApplyOptions(study=study.root, run="unet", split="all"))
    assert applied.masks > 0
    with pytest.raises(BadInput, match="the network of this segmentation is a U-Net"):
        embed(EmbedOptions(study=study.root, run="unet"))


def test_a_resumed_run_is_the_unbroken_one(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped after the first epoch, with a teacher and mixing: everything that they hold is in the checkpoint."""
    from medcl.training import loop
    from medcl.training.interrupt import Interrupted

    settings = {"teacher": 0.9, "mix": "copy-paste", "ramp_up": 1.0}
    unbroken = segment_train(options(study, name="unbroken", **settings)).run
    asked = iter([False, False, True])
    with monkeypatch.context() as patch:
        patch.setattr(loop, "any_rank", lambda flag: next(asked))
        with pytest.raises(Interrupted):
            segment_train(options(study, name="broken", **settings))
    assert next(asked, "spent") == "spent"
    record = study.runs / "broken" / "run.json"  # the process that wrote it is this one, which lives
    record.write_text(json.dumps(json.loads(record.read_text()) | {"status": "stopped"}))
    resumed = segment_train(SegmentTrainOptions(study=study.root, name="broken", resume=True)).run
    assert unbroken is not None
    assert resumed is not None
    assert rows(resumed.path) == rows(unbroken.path)
    same = [(run.path / "segmenter.safetensors").read_bytes() for run in (unbroken, resumed)]
    assert same[0] == same[1]


@pytest.mark.parametrize(
    ("changed", "where", "value"),
    [
        ({"loss": "ce"}, "method.options.dice_share", 0.0),
        ({"consistency_weight": 0.7}, "method.options.weight", 0.7),
        ({"ramp_up": 1.0}, "method.options.ramp_steps", 4),
        ({"confidence": 0.6}, "method.options.confidence", 0.6),
        ({"teacher": 0.95}, "method.options.teacher", 0.95),
        ({"mix": "copy-paste"}, "method.options.mix", True),
        ({"encoder_lr": 1e-4}, "method.options.encoder_lr", 1e-4),
        ({"method": "supervised"}, "task.unlabelled.size", 0),
        ({"method": "supervised"}, "method.segmenter.decoders.__len__", 1),
        ({"decoders": ["bilinear"], "method": "supervised"}, "method.segmenter.decoders.__len__", 1),
        ({"labeled": "50%"}, "task.labelled.size", 6),
        ({"labeled": None}, "task.labelled.size", 12),
        ({"labeled_share": 0.75, "batch_size": 8}, "task.labelled_images", 6),
        ({"unlabeled_from": "all"}, "task.unlabelled.size", 12),
        ({"batch_size": 6}, "task.batch_size", 6),
        ({"steps_per_epoch": 5}, "task.steps", 5),
        ({"empty_slices": 0.5}, "task.options.empty_share", 0.5),
        ({"flip": 0.5}, "source.loader.augmentation.flip_probability", 0.5),
        ({"affine": 0.1}, "source.loader.augmentation.affine_probability", 0.1),
        ({"rotation": 5.0}, "source.loader.augmentation.rotation_degrees", 5.0),
        ({"scaling": 0.3}, "source.loader.augmentation.scale", 0.3),
        ({"gamma": 0.1}, "source.loader.augmentation.gamma", 0.1),
        ({"brightness": 0.2}, "source.loader.augmentation.brightness", 0.2),
        ({"contrast": 0.1}, "source.loader.augmentation.contrast", 0.1),
        ({"blur": 1.0}, "source.loader.augmentation.blur_sigma", 1.0),
        ({"noise": 0.2}, "source.loader.augmentation.noise_sd", 0.2),
    ],
)
def test_every_option_reaches_what_it_is_for(study: Study, changed: dict[str, Any], where: str, value: object) -> None:
    def found(asked: SegmentTrainOptions) -> object:
        thing: Any = build(prepare(study, asked), asked)
        for part in where.split("."):
            thing = getattr(thing, part)
        return thing() if callable(thing) else thing

    assert found(options(study, **changed)) == value
    assert found(options(study)) != value


def test_an_unlabelled_patients_mask_changes_nothing(study: Study, tmp_path: Path) -> None:
    """The twin: a labelled patient's mask does."""
    made = build(prepare(study, options(study)), options(study))
    labelled = made.task.patients[0]
    hidden = next(p for p in ("P03", "P04", "P05", "P06", "P07", "P08") if p not in made.task.patients)
    assert trained_after_emptying(study, tmp_path / "a", hidden) == trained_after_emptying(study, tmp_path / "b", None)
    assert trained_after_emptying(study, tmp_path / "c", labelled) != trained_after_emptying(
        study, tmp_path / "d", None
    )


def trained_after_emptying(study: Study, root: Path, patient: str | None) -> list[str]:
    """The metrics of a training on a copy of the study in which a patient's labels are all 1."""
    shutil.copytree(study.root / "preprocessed", root / "preprocessed")
    for name in ("cohort.csv", "medcl.toml"):
        shutil.copy(study.root / name, root / name)
    if patient:
        for file in (root / "preprocessed" / "default" / "labels").glob(f"*{patient}*.npy"):
            np.save(file, np.where(np.load(file) > 0, 1, 2).astype(np.uint8))
    done = segment_train(options(Study(root), name="a", epochs=1))
    assert done.run is not None
    return rows(done.run.path)


def test_masks_of_test_patients_are_never_looked_at(tmp_path: Path) -> None:
    """Unknown values in them stop nothing; the twin: in those of validation patients they do."""
    study = prepared_study(tmp_path / "study")
    spoil(study, "P02")
    prepare(study, options(study))
    spoil(study, "P01")
    with pytest.raises(BadInput, match=r"The mask of .*P01.* 9 \(4 voxels\)"):
        prepare(study, options(study))


def spoil(study: Study, patient: str) -> None:
    for file in (study.preprocessed() / "labels").glob(f"*{patient}*.npy"):
        labels = np.load(file)
        labels[0, 0, :4] = 9
        np.save(file, labels)


class TestRefusals:
    def test_unknown_label_values_with_their_counts(self, study: Study, tmp_path: Path) -> None:
        other = copy(study, tmp_path, '[labels]\n1 = "ring"\n')
        with pytest.raises(BadInput, match=r"label values that are not declared: 2 \([\d,]+ voxels\)"):
            prepare(other, options(other))

    def test_classes_that_no_labelled_patient_shows(self, study: Study, tmp_path: Path) -> None:
        more = "".join(f'{n} = "organ {n}"\n' for n in range(3, 21))
        other = copy(study, tmp_path, f'[labels]\n1 = "ring"\n2 = "core"\n{more}')
        told = "20 label classes are declared, and the masks of the 2 labelled patients hold 2 of them: nothing is .* 3"
        with pytest.raises(BadInput, match=told):
            prepare(other, options(other))

    def test_nobody_with_a_mask(self, tmp_path: Path) -> None:
        from tests.workflows.segmentation_study import PATIENTS

        other = prepared_study(tmp_path / "study", without_masks=tuple(PATIENTS))
        with pytest.raises(BadInput, match="has a mask"):
            prepare(other, options(other, labeled=None))

    def test_more_labelled_patients_than_there_are(self, study: Study) -> None:
        with pytest.raises(BadInput, match="--labeled asks for 9 patients, but 6"):
            prepare(study, options(study, labeled="9"))

    def test_an_encoder_of_another_architecture(self, study: Study, tmp_path: Path) -> None:
        from medcl.networks.encoder import build_encoder

        export_encoder(
            build_encoder("resnet18", SIZE),
            tmp_path,
            {"architecture": {"network": "resnet18", "size": list(SIZE), "channels": 1}},
        )
        asked = options(study, init_from=tmp_path)
        with pytest.raises(BadInput, match="network: resnet18 in the file, resnet10 here"):
            build(prepare(study, asked), asked)
        asked = options(study, init_from=tmp_path, network=None)
        assert prepare(study, asked).network == "resnet18", "unless told, that of --init-from"

    def test_an_encoder_of_slices_for_volumes(self, study: Study, tmp_path: Path) -> None:
        from medcl.networks.encoder import build_encoder

        size = (1, 32, 32)
        export_encoder(
            build_encoder("resnet10", size),
            tmp_path,
            {"architecture": {"network": "resnet10", "size": list(size), "channels": 1}},
        )
        asked = options(study, init_from=tmp_path)
        with pytest.raises(BadInput, match=r"was trained on slices \(1 32 32\), and default holds volumes"):
            build(prepare(study, asked), asked)

    def test_masks_of_fractions_and_on_other_grids_never_come_so_far(self, tmp_path: Path) -> None:
        from tests.workflows.segmentation_study import write_study

        study = write_study(tmp_path / "study")
        save(study.root / "images" / "P03_ED_mask.nii.gz", np.full((32, 32, 4), 0.5, np.float32))
        nib.save(
            nib.Nifti1Image(np.zeros((32, 32, 4), np.uint8), np.diag([2.0, 1, 5, 1])),
            study.root / "images" / "P04_ED_mask.nii.gz",
        )
        with pytest.raises(BadInput) as caught:
            preprocess(PreprocessOptions(study=study.root, size=SIZE, workers=1, quality=False))
        told = " ".join(caught.value.problems)
        assert "P03_ED_mask.nii.gz: 4,096 voxels are no whole numbers" in told
        assert "P04_ED_mask.nii.gz: the mask is on another grid than its image" in told

    @pytest.mark.parametrize(
        ("changed", "told"),
        [
            ({"labeled": "none"}, "--labeled is 'none'"),
            ({"labeled": "2", "labeled_patients": Path("a.txt")}, "--labeled and --labeled-patients exclude"),
            ({"decoders": ["third"]}, "--decoders third"),
            ({"decoders": ["bilinear"]}, "--method ideal needs both decoders"),
            ({"method": "supervised", "teacher": 0.9}, "need unlabelled images"),
            ({"overwrite": True}, "--overwrite replaces"),
            ({"network": "vit"}, "--network vit"),
            ({"network": "unet"}, "--network unet goes with --method supervised"),
            ({"network": "unet", "method": "supervised", "decoders": ["bilinear"]}, "without --init-from and --dec"),
            ({"network": "unet", "method": "supervised"}, "Preprocess to --size 1 Y X"),
            ({"widths": [4, 8], "method": "supervised"}, "--widths goes with --method translated"),
            ({"batch_size": 3}, "batch norms need two images of a kind"),
        ],
    )
    def test_options_that_do_not_fit(self, study: Study, changed: dict[str, Any], told: str) -> None:
        with pytest.raises(BadInput, match=told):
            started(study, changed)


def started(study: Study, changed: dict[str, Any]) -> None:
    """All that is done before a run folder is made."""
    asked = options(study, **changed)
    build(prepare(study, asked), asked)


def copy(study: Study, folder: Path, settings: str) -> Study:
    """The study with another medcl.toml."""
    shutil.copytree(study.root, folder / "study", ignore=shutil.ignore_patterns("runs"))
    (folder / "study" / "medcl.toml").write_text(settings)
    return Study(folder / "study")


def test_pretrained_weights_are_taken_and_their_encoder_learns_slower(study: Study, tmp_path: Path) -> None:
    from medcl.networks.encoder import build_encoder

    torch.manual_seed(5)
    pretrained = build_encoder("resnet10", SIZE)
    card = {"architecture": {"network": "resnet10", "size": list(SIZE), "channels": 1}}
    export_encoder(pretrained, tmp_path, card)
    asked = options(study, init_from=tmp_path, lr=1e-3)
    made = build(prepare(study, asked), asked)
    for name, weight in made.method.segmenter.encoder.state_dict().items():
        assert torch.equal(weight, pretrained.state_dict()[name])
    assert made.method.options.encoder_lr == pytest.approx(1e-4)


def test_init_from_takes_the_name_of_a_run(study: Study) -> None:
    folder = study.runs / "named"
    folder.mkdir(parents=True)
    assert options(study, init_from=Path("named")).init_from == folder
    assert options(study, init_from=Path("elsewhere")).init_from == Path("elsewhere").absolute()
    folder.rmdir()


def test_weights_that_saw_the_test_patients_are_refused(study: Study, tmp_path: Path) -> None:
    """With the split of the run that made them they are taken."""
    from medcl.imaging.image_list import write_image_list
    from medcl.imaging.store import VolumeStore
    from medcl.networks.encoder import build_encoder
    from tests.workflows.segmentation_study import PATIENTS

    card = {"architecture": {"network": "resnet10", "size": list(SIZE), "channels": 1}}
    export_encoder(build_encoder("resnet10", SIZE), tmp_path, card)
    write_image_list(tmp_path, VolumeStore.open(study.preprocessed()).entries)
    lines = [f"{patient},{'test' if patient == 'P05' else 'train'}" for patient in PATIENTS]
    (tmp_path / "splits.csv").write_text("\n".join(["patient,split", *lines]) + "\n")
    with pytest.raises(BadInput, match=r"has seen 1 patient who would be tested on now \(P02\)"):
        prepare(study, options(study, init_from=tmp_path))
    prepare(study, options(study, init_from=tmp_path, splits=tmp_path / "splits.csv"))


def test_what_supervised_leaves_out_is_told(study: Study, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="medcl"):
        segment_train(options(study, method="supervised", consistency_weight=1.0, dry_run=True))
    assert "Without effect with --method supervised: --consistency-weight." in caplog.text


def test_a_dry_run_writes_nothing(study: Study) -> None:
    before = sorted(study.root.rglob("*"))
    done = segment_train(options(study, dry_run=True))
    assert done.forecast is not None
    assert sorted(study.root.rglob("*")) == before
