"""Source and target as one: each row is read from its own store, names are unique, and nobody is on two sides."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch

from medcl.data.augmentation import DENSE_VIEWS
from medcl.data.domains import Domains, join_domains
from medcl.data.loader import Loader
from medcl.data.plan import BatchPlan
from medcl.data.samples import Samples, build_samples
from medcl.imaging.recipe import Recipe
from medcl.imaging.source import Source
from medcl.imaging.store import VolumeStore
from medcl.imaging.store_writer import StoreWriter
from medcl.imaging.worker import Job, work
from medcl.losses.cross_entropy_dice import UNLABELLED
from medcl.study.errors import BadInput
from tests.data.domain_study import CLASSES, TARGET_OFFSET, domain, store_of
from tests.data.labelled_study import labelled_study

CPU = torch.device("cpu")
SPLIT = {"P0": "train", "P1": "val", "P2": "test"}


def misread(domains: Domains, source: Samples, target: Samples) -> list[int]:
    """Rows whose voxels are not those of their own side's image and slice."""
    wrong = []
    for row, from_source in enumerate(domains.source.tolist()):
        side, own = (source, row) if from_source else (target, row - len(source))
        assert side.slices is not None
        expected = store_of(side).slice_mean(str(side.cases[own]), int(side.slices[own]))
        found = np.empty(domains.samples.size, np.float32)
        domains.samples.read(row, found)
        if abs(float(found.mean()) - expected) > 1e-4:
            wrong.append(row)
    return wrong


def test_each_row_is_read_from_its_own_store() -> None:
    source, target = domain("ct", 3, slices=2), domain("mr", 2, slices=5)
    domains = join_domains(source, target)
    assert len(domains.samples) == 3 * 2 + 2 * 5
    assert domains.source.tolist() == [True] * 6 + [False] * 10
    assert misread(domains, source, target) == []


@pytest.mark.parametrize("same_names", [False, True])
def test_reading_from_the_other_store_is_noticed(same_names: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: stores of two studies that call their images alike, told apart by the name alone."""
    case = "{patient}" if same_names else "{patient}_{kind}"
    source, target = domain("ct", SPLIT, case=case), domain("mr", SPLIT, case=case)
    domains = join_domains(source, target)
    assert misread(domains, source, target) == []
    first = {entry.stored.case: entry.store for entry in reversed(domains.samples.entries)}
    for entry in domains.samples.entries:
        object.__setattr__(entry, "store", first[entry.stored.case])
    assert bool(misread(domains, source, target)) == same_names


def test_what_is_known_of_each_row_comes_along() -> None:
    source, target = domain("ct", SPLIT, slices=2), domain("mr", {"P3": "train"}, slices=3, masked=False)
    samples = join_domains(source, target).samples
    assert samples.cases.tolist() == [*source.cases, *target.cases]
    assert samples.patients.tolist() == ["P0"] * 2 + ["P1"] * 2 + ["P2"] * 2 + ["P3"] * 3
    assert samples.splits.tolist() == ["train"] * 2 + ["val"] * 2 + ["test"] * 2 + ["train"] * 3
    assert samples.slices is not None
    assert samples.slices.tolist() == [0, 1, 0, 1, 0, 1, 0, 1, 2]
    assert samples.has_labels.tolist() == [True] * 6 + [False] * 3
    assert samples.image_codes().tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 3]
    assert samples.positions.tolist() == [0, 1] * 3 + [0, 0.5, 1]
    assert samples.spacings().tolist() == [[4.0, 1.0, 1.5]] * 9
    assert {entry.modality for entry in samples.entries} == {"ct", "mr"}
    assert len(samples.store.entries) == 4
    assert (samples.values, samples.variable, samples.size) == (None, "", (1, 4, 6))


def test_spacings_of_both_stay() -> None:
    source, target = domain("ct", 1), domain("mr", 1)
    target.entries[:] = [replace(entry, spacing=(8.0, 2.0, 2.0)) for entry in target.entries]
    spacings = join_domains(source, target).samples.spacings()
    assert spacings.tolist() == [[4.0, 1.0, 1.5]] * 4 + [[8.0, 2.0, 2.0]] * 4


def test_a_patient_of_both_is_one_patient_and_images_of_one_name_are_two() -> None:
    source, target = domain("ct", SPLIT, case="{patient}"), domain("mr", SPLIT, case="{patient}")
    samples = join_domains(source, target).samples
    assert len(set(samples.patient_codes().tolist())) == 3
    assert len(set(samples.image_codes().tolist())) == 6
    assert sorted(set(samples.cases.tolist())) == ["P0", "P1", "P2", "target P0", "target P1", "target P2"]
    assert samples.entries[-1].case == "target P2"
    assert samples.entries[-1].stored.case == "P2"


def test_a_name_that_was_chosen_already_is_not_given_again() -> None:
    source = domain("ct", {"X": "train", "target X": "train"}, case="{patient}")
    target = domain("mr", {"X": "train"}, case="{patient}")
    assert set(join_domains(source, target).samples.cases.tolist()) == {"X", "target X", "target target X"}


def test_an_entry_can_be_copied_and_says_what_it_does_not_have() -> None:
    entry = join_domains(domain("ct", 1), domain("mr", 1)).samples.entries[0]
    assert copy.copy(entry).modality == "ct"
    assert not hasattr(entry, "nothing")


def test_volumes_are_refused() -> None:
    slices = domain("ct", 1, plane=(12, 16))
    with pytest.raises(BadInput, match=r"of the source are volumes.*--slices axial.*--source-preprocessed"):
        join_domains(labelled_study(), slices)
    with pytest.raises(BadInput, match=r"of the target are volumes.*--target-preprocessed"):
        join_domains(slices, labelled_study())


def test_slices_of_different_sizes_are_refused() -> None:
    with pytest.raises(BadInput, match=r"source have 4 x 6 pixels .* target 6 x 4.*--slice-size"):
        join_domains(domain("ct", 1), domain("mr", 1, plane=(6, 4)))


def test_an_image_of_both_is_refused() -> None:
    copied = domain("mr", {f"CT{n}": "train" for n in range(5)}, content="ct {patient}")
    with pytest.raises(BadInput, match=r"5 images .* CT0_ct \(CT0_mr\), .* and 2 more.*--source and --target"):
        join_domains(domain("ct", 5), copied)
    same = domain("ct", 2)
    with pytest.raises(BadInput, match="2 images are in the source and in the target: CT0_ct, CT1_ct"):
        join_domains(same, same)
    nameless = domain("ct", 1, content="")
    with pytest.raises(BadInput, match="in the source and in the target"):
        join_domains(nameless, nameless)


def test_images_of_one_store_may_be_source_and_target() -> None:
    whole = domain("ct", 4)
    store = store_of(whole)
    halves = []
    for chosen in (store.entries[:2], store.entries[2:]):
        sides = {entry.patient: "train" for entry in chosen}
        nothing: Any = None
        halves.append(build_samples(store, nothing, sides))
    samples = join_domains(*halves).samples
    assert samples.cases.tolist() == whole.cases.tolist()


def test_a_patient_on_two_sides_of_the_split_is_refused() -> None:
    split = {**SPLIT, "P1": "train"}
    with pytest.raises(BadInput, match=r"Patient 'P1' is on two sides of the split: train: P1_mr; val: P1_ct"):
        join_domains(domain("ct", SPLIT), domain("mr", split))
    join_domains(domain("ct", SPLIT), domain("mr", SPLIT))


def test_a_copied_image_on_two_sides_of_the_split_is_refused() -> None:
    target = domain("mr", {"P5": "train", "P6": "test"}, content="same")
    with pytest.raises(BadInput, match="same image content stands on two sides"):
        join_domains(domain("ct", SPLIT), target)


@pytest.mark.parametrize("cache_bytes", [0, 10**9])
@pytest.mark.parametrize("masked", [(True, True), (True, False), (False, True), (False, False)])
def test_the_loader_reads_images_and_masks_of_both(masked: tuple[bool, bool], cache_bytes: int) -> None:
    domains = join_domains(domain("ct", 2, masked=masked[0]), domain("mr", 2, masked=masked[1]))
    rows = np.array([8, 0, 15, 7, 8])
    loader = Loader(domains.samples, None, 0, CPU, classes=CLASSES, cache_bytes=cache_bytes)
    (batch,) = loader.batches([BatchPlan(rows, np.arange(5))], 0)
    assert batch.labels is not None
    is_target = batch.volumes.mean(dim=(1, 2, 3, 4)) >= TARGET_OFFSET - 1
    assert is_target.tolist() == (~domains.source[rows]).tolist()
    known = np.where(domains.source[rows], *masked)
    labels = batch.labels.flatten(1)
    assert (labels == UNLABELLED).all(dim=1).tolist() == (~known).tolist()
    shown = labels[torch.from_numpy(known)]
    assert set(shown.unique().tolist()) == ({1, 2} if known.any() else set())


def test_the_loader_augments_both() -> None:
    samples = join_domains(domain("ct", 2, plane=(16, 16)), domain("mr", 2, plane=(16, 16))).samples
    loader = Loader(samples, DENSE_VIEWS, 0, CPU, classes=CLASSES, workers=3)
    (batch,) = loader.batches([BatchPlan(np.arange(16), np.arange(16))], 0)
    assert batch.volumes.shape == (16, 1, 1, 16, 16)
    assert batch.cases == samples.cases.tolist()


def written_store(folder: Path, recipe: Recipe, *, mask: int = 0, seeds: tuple[int, ...] = (0, 1)) -> VolumeStore:
    """A store on the disk of an image for each seed, whose masks, if it has any, hold the value `mask`."""
    folder.mkdir(parents=True)
    writer, entries = StoreWriter.begin(folder / "store", recipe), []
    for number, seed in enumerate(seeds):
        voxels = np.random.default_rng(seed).normal(40, 60, (8, 8, 5)).astype(np.float32)
        image, labels = folder / f"{number}.nii", folder / f"{number}-mask.nii"
        nibabel.Nifti1Image(voxels, np.diag([1.0, 1.0, 3.0, 1.0])).to_filename(image)
        values = np.zeros(voxels.shape, np.uint8)
        values[2:6, 2:6, 1:4] = mask
        nibabel.Nifti1Image(values, np.diag([1.0, 1.0, 3.0, 1.0])).to_filename(labels)
        names = {"case": f"P{number}", "patient": f"P{number}", "exam": "", "sequence": "", "modality": "", "site": ""}
        outcome = work(Job(names, Source(image, labels if mask else None), recipe, folder / "store"))
        assert outcome.entry is not None, outcome.problems
        for unsettled in outcome.unsettled:
            unsettled.settle()
        writer.add(outcome.entry)
        entries.append(outcome.entry)
    writer.finish(entries)
    return VolumeStore.open(folder / "store")


def test_two_studies_on_the_disk(tmp_path: Path) -> None:
    plane: dict[str, Any] = {"size": (1, 8, 8), "slices": "axial"}
    window, percentile = Recipe(**plane, hu_window=(-200.0, 300.0)), Recipe(**plane, intensity="percentile")
    stores = [
        written_store(tmp_path / "one", window, mask=3),
        written_store(tmp_path / "two", percentile, mask=7, seeds=(2, 3)),
    ]
    nothing: Any = None
    sides = [build_samples(store, nothing, {"P0": "train", "P1": "val"}) for store in stores]
    samples = join_domains(*sides).samples
    assert samples.cases.tolist() == [c for c in ("P0", "P1", "target P0", "target P1") for _ in range(5)]
    loader = Loader(samples, None, 0, CPU, classes=CLASSES)
    (batch,) = loader.batches([BatchPlan(np.arange(20), np.arange(20))], 0)
    images = [store.read(entry, slice=number) for store in stores for entry in store.entries for number in range(5)]
    assert batch.labels is not None
    np.testing.assert_array_equal(batch.volumes[:, 0].numpy(), np.stack(images))
    for row, labels in enumerate(batch.labels):
        seen = {0, 1 if row < 10 else 2} if row % 5 in {1, 2, 3} else {0}
        assert set(labels.unique().tolist()) == seen
    again = written_store(tmp_path / "copy", percentile)
    with pytest.raises(BadInput, match="2 images are in the source and in the target"):
        join_domains(sides[0], build_samples(again, nothing, {"P0": "train", "P1": "val"}))
