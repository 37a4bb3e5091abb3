"""translation.html as a run of `medcl translate train` leaves it."""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest

from medcl.study.folder import Study
from medcl.study.runs import Run, read_run
from medcl.workflows import translation_page
from medcl.workflows.translation_check import TranslationCheck
from medcl.workflows.translation_page import _said, write_page
from medcl.workflows.translation_training import build, prepare
from tests.workflows.translate_quick import joint, quick, trained
from tests.workflows.two_modalities import SPLIT, copied, two_modalities

FILTERS = {"source": "modality=ct", "target": "modality=mr"}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return two_modalities(tmp_path_factory.mktemp("page") / "study")


@pytest.fixture(scope="module")
def run(study: Study) -> Run:
    return read_run(trained(joint(study, name="joint", **FILTERS, panel_every=1)))


def page_of(run: Run) -> str:
    return unescape((run.path / "translation.html").read_text(encoding="utf-8"))


def test_all_parts_are_there(run: Run) -> None:
    page = page_of(run)
    assert "Translation from ct to mr" in page
    for part in ("samples", "curves", "hallucination"):
        assert f'id="{part}"' in page, part
    assert re.findall(r'data-epoch="(\d+)"', page) == ["2", "1"]
    assert page.count("data:image/png;base64,") == 2
    for told in ("modality=ct of preprocessed/ct", "modality=mr of preprocessed/mr", "32 x 32 pixels"):
        assert told in page
    head = "jointly with a segmentation, organ-aware negatives, moving average 0.9, self-training 0.5"
    assert head in page
    assert "2 epochs, 2 slices of each side a step" in page
    assert "2 filters, 1 block<" in page
    assert "Real target images" not in page, "the validation patient of the target has no mask"
    assert "cpu" in page


def test_the_numbers_are_those_of_the_table(run: Run) -> None:
    page = page_of(run)
    with (run.path / "hallucination.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["case"] for row in rows] == ["C3"]
    assert list(rows[0])[-4:] == ["ring source", "ring translated", "core source", "core translated"]
    assert f"{float(rows[0]['mutual_information']):.3f}" in page
    before, after = (float(rows[0][f"distance_{side}"]) for side in ("before", "after"))
    assert f"Intensities lie {after:.3f} from the target's after translation and {before:.3f} before it" in page
    assert ">C3<" in page


def test_without_names_no_patient_is_on_the_page(study: Study, run: Run) -> None:
    """Nor on its pictures, which are other ones then; the twin is the page with names."""
    hidden = trained(joint(study, name="hidden", **FILTERS, panel_every=1, no_ids=True))
    text = re.sub(r"base64,[^\"]+", "", page_of(read_run(hidden)))
    shown = re.sub(r"base64,[^\"]+", "", page_of(run))
    names = re.compile(r"\b(" + "|".join(SPLIT) + r")\b")
    assert not names.search(text)
    assert "image 1" in text
    assert names.findall(shown)
    assert (hidden / "panels" / "epoch-0002.png").read_bytes() != (run.path / "panels" / "epoch-0002.png").read_bytes()


def test_a_run_without_masks(study: Study) -> None:
    page = page_of(read_run(trained(quick(study, name="plain", epochs=1))))
    assert "translation alone" in page
    assert "all images of preprocessed/ct" in page
    assert "ring" not in page
    assert 'id="hallucination"' in page


def test_masks_of_validation_targets_tell_what_is_real(tmp_path: Path) -> None:
    study = two_modalities(tmp_path / "study", masked=("C1", "C2", "C3", "M3"))
    assert "Real target images" in page_of(read_run(trained(joint(study, name="real", epochs=1))))


def test_panels_are_drawn_every_so_often(study: Study) -> None:
    for every, epochs, expected in ((2, 3, [2, 3]), (None, 3, [1, 2, 3])):
        path = trained(quick(study, name=f"every-{every}", epochs=epochs, panel_every=every))
        found = sorted(int(file.stem[6:]) for file in (path / "panels").iterdir())
        assert found == expected


def test_what_a_reader_must_know_first(run: Run, study: Study) -> None:
    options = joint(study, **FILTERS)
    prepared = prepare(study, options)
    found: list[TranslationCheck] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(translation_page, "write_check", lambda folder, check, classes: found.append(check))
        patch.setattr(translation_page, "write_translation_page", lambda *_: None)
        write_page(run, prepared, build(prepared, options), options)
    (check,) = found
    better = replace(check.images[0], before=0.5, after=0.25)
    assert len(_said(TranslationCheck([better], {}))) == 1
    worse = replace(better, after=0.5)
    assert any("does not look more like the target" in line for line in _said(TranslationCheck([worse], {})))
    unseen = replace(better, split="train")
    assert any("training patients are shown" in line for line in _said(TranslationCheck([unseen], {})))
    assert _said(TranslationCheck([], {})) == []


def test_the_networks_that_are_kept_are_looked_at(run: Run, study: Study) -> None:
    """The moving average; the twin: the stepped generator would tell other numbers."""
    import torch

    from medcl.evaluation.saved_translator import load_translator
    from medcl.workflows.translation_check import check_translations

    options = joint(study, **FILTERS)
    images = prepare(study, options).images
    saved = load_translator(run.path, torch.device("cpu")).network.eval()
    with (run.path / "hallucination.csv").open() as file:
        told = float(next(csv.DictReader(file))["distance_after"])
    check = check_translations(saved, images.domains, images.classes, torch.device("cpu"))
    assert check.images[0].after == pytest.approx(told, rel=5e-5)
    content = torch.load(run.path / "checkpoints" / "best.pt", weights_only=True)["method"]
    stepped = {name.removeprefix("generator."): each for name, each in content.items() if name.startswith("generator.")}
    saved.load_state_dict(stepped)
    check = check_translations(saved, images.domains, images.classes, torch.device("cpu"))
    assert check.images[0].after != pytest.approx(told, rel=5e-5)


def test_a_store_of_another_study_is_named_by_its_folder(study: Study, tmp_path: Path) -> None:
    other = copied(study, tmp_path / "other")
    path = trained(quick(study, name="two", target_study=other.root, target="modality=mr", epochs=1))
    assert "Translation from ct to mr" in page_of(read_run(path))
