"""hallucination.csv: whose translations are looked at, and what is said of them."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from medcl.data.domains import Domains, join_domains
from medcl.evaluation.hallucination import Hallucination
from medcl.evaluation.intensity_distance import intensity_distance
from medcl.evaluation.label_intensities import LabelIntensities
from medcl.networks.generator import Generator
from medcl.study.label_classes import LabelClass, unnamed_classes
from medcl.workflows import translation_check
from medcl.workflows.translation_check import (
    FILE,
    CheckedImage,
    TranslationCheck,
    check_translations,
    read_stack,
    write_check,
)
from tests.data.domain_study import CLASSES, domain

CPU = torch.device("cpu")
PLANE = (24, 28)
NAMED = [LabelClass(CLASSES[0], "left", "#000000"), LabelClass(CLASSES[1], "right", "#ffffff")]
SOURCE = {"A": "train", "B": "train", "V": "val", "W": "val", "X": "test"}
TARGET = {"M": "train", "N": "val", "O": "test"}


def both(source: dict[str, str] = SOURCE, target: dict[str, str] = TARGET, masked: tuple[str, ...] = ()) -> Domains:
    """CT around 0, 1, ..., and MR around 100: images in the order of the patients."""
    ours = domain("ct", source, plane=PLANE, masked=masked or [*SOURCE])
    return join_domains(ours, domain("mr", target, plane=PLANE, masked=masked or [*TARGET]))


class Shifted(Generator):
    """Adds a number to what it is given."""

    def __init__(self, by: float) -> None:
        super().__init__(1, 1)
        self.by = by

    def forward(self, images: Tensor) -> Tensor:
        return images + self.by


def looked_at(domains: Domains, by: float = 0.0, classes: list[LabelClass] | None = None) -> TranslationCheck:
    return check_translations(Shifted(by).eval(), domains, NAMED if classes is None else classes, CPU)


def test_images_of_validation_patients_are_looked_at() -> None:
    check = looked_at(both())
    assert [(each.case, each.patient, each.split) for each in check.images] == [
        ("V_ct", "V", "val"),
        ("W_ct", "W", "val"),
    ]
    assert check.split == "val"


def test_without_them_those_of_training_patients_and_never_of_test_patients() -> None:
    """Two of those are enough to see."""
    check = looked_at(both({"A": "train", "B": "train", "C": "train", "X": "test"}))
    assert [each.case for each in check.images] == ["A_ct", "B_ct"]
    assert check.split == "train"
    assert TranslationCheck([], {}).split == ""


def test_no_slice_of_a_test_patient_is_read_and_the_check_can_fail() -> None:
    for leaking in (False, True):
        domains = both()
        if leaking:
            samples = domains.samples
            moved = np.where(samples.patients == "X", "val", samples.splits)
            domains = replace(domains, samples=replace(samples, splits=moved))
        looked_at(domains)
        source = domains.samples.entries[0].store
        assert any(case == "X_ct" for case, _ in source.reads) == leaking


def test_the_distance_falls_where_the_translation_has_the_targets_intensities() -> None:
    domains = both()
    unchanged, moved, beyond = (looked_at(domains, by).images[0] for by in (0.0, 98.0, 300.0))
    assert unchanged.before == unchanged.after == moved.before
    assert moved.after < 1 < moved.before < beyond.after
    target = read_stack(domains.samples, np.flatnonzero(domains.samples.patients == "M"), masks=False)[0]
    source = read_stack(domains.samples, np.flatnonzero(domains.samples.patients == "V"), masks=False)[0]
    assert moved.before == pytest.approx(intensity_distance(source, target))


def test_the_target_is_told_by_training_slices_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    domains = both(target={"M": "train", "N": "val", "P": "train", "O": "test"})
    store = domains.samples.entries[-1].store
    looked_at(domains, classes=[])
    assert {case for case, _ in store.reads} == {"M_mr", "P_mr"}
    store.reads.clear()
    monkeypatch.setattr(translation_check, "TARGET_SLICES", 3)
    looked_at(domains, classes=[])
    assert store.reads == [("M_mr", 0), ("M_mr", 3), ("P_mr", 3)]


def test_means_of_classes_before_and_after_and_in_real_images() -> None:
    domains = both()
    check = looked_at(domains, by=5.0)
    mean = store_of_source(domains).slice_mean
    expected = np.mean([mean("V_ct", number) for number in range(4)])
    for label, each in zip(CLASSES, check.images[0].found.labels, strict=True):
        assert each.label == label
        assert each.source_mean == pytest.approx(expected, abs=0.02)
        assert each.translated_mean == pytest.approx(expected + 5, abs=0.02)
    assert set(check.target_means) == {"left", "right"}
    assert check.target_means["left"] == pytest.approx(101, abs=0.1)  # N's, the second image


def store_of_source(domains: Domains) -> translation_check.Any:
    return domains.samples.entries[0].store


def test_real_images_without_masks_tell_no_means() -> None:
    check = looked_at(both(masked=("A", "B", "V")))
    assert check.target_means == {}
    assert [len(each.found.labels) for each in check.images] == [2, 0], "W has no mask"


def test_without_classes_no_mask_is_read() -> None:
    domains = both()
    check = looked_at(domains, classes=[])
    assert check.target_means == {}
    assert not any(each.found.labels for each in check.images)
    assert store_of_source(domains).label_reads == []
    assert domains.samples.entries[-1].store.label_reads == []


def test_the_table(tmp_path: Path) -> None:
    found = Hallucination(1.23456789, None, (LabelIntensities(7, 5, 0.5, 0.1, 0.25, 0.05),))
    image = CheckedImage("P1_ct, first", "P1", "val", found, 0.25, 1 / 3)
    file = write_check(tmp_path, TranslationCheck([image], {}), NAMED)
    assert file == tmp_path / FILE
    with file.open(newline="") as text:
        (row,) = csv.DictReader(text)
    assert row == {
        "case": "P1_ct, first",
        "patient": "P1",
        "split": "val",
        "mutual_information": "1.2346",
        "chance": "",
        "distance_before": "0.25",
        "distance_after": "0.33333",
        "left source": "",
        "left translated": "",
        "right source": "0.5",
        "right translated": "0.25",
    }


def test_a_table_without_classes_has_no_columns_of_them(tmp_path: Path) -> None:
    check = looked_at(both(), classes=[])
    header, *lines = write_check(tmp_path, check, []).read_text().splitlines()
    assert header == "case,patient,split,mutual_information,chance,distance_before,distance_after"
    assert len(lines) == 2
    assert unnamed_classes([]) == []
