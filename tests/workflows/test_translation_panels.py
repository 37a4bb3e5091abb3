"""Sample pictures while a translation trains: fixed slices, of the right patients, drawn by what the method keeps."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from medcl.data.domains import Domains, join_domains
from medcl.figures.translation import panels as panels_module
from medcl.figures.translation.panel import Panel
from medcl.methods.translation import Translation, TranslationOptions
from medcl.networks.discriminator import Discriminator
from medcl.networks.generator import Generator
from medcl.networks.patch_projection import PatchProjection
from medcl.networks.unet import UNet
from medcl.study.errors import RunFailed
from medcl.study.label_classes import LabelClass
from medcl.training.after_epoch import call_after_epoch
from medcl.workflows import translation_panels
from medcl.workflows.translation_panel_slices import POOL, SLICES, PanelSlices
from medcl.workflows.translation_panels import NEIGHBOURS, PanelMaker
from tests.data.domain_study import CLASSES, domain

CPU = torch.device("cpu")
PLANE = (20, 24)
TAPS = ("stem", "down1")
PATIENTS = {**{f"T{n}": "train" for n in range(3)}, **{f"V{n}": "val" for n in range(6)}, "X0": "test", "X1": "test"}
LIVER_AND_SPLEEN = [LabelClass(CLASSES[0], "liver", "#0072B2"), LabelClass(CLASSES[1], "spleen", "#D55E00")]


def study(**changed: Any) -> Domains:
    """CT of validation, training and test patients, MR of training and test patients; slice 0 shows nothing."""
    common = {"plane": PLANE, "empty": (0,)}
    source = domain("ct", changed.pop("patients", PATIENTS), **{**common, **changed})
    return join_domains(source, domain("mr", {"M0": "train", "M1": "train", "M2": "test", "M3": "val"}, **common))  # type: ignore[arg-type]


def slices(domains: Domains, classes: tuple[int, ...] = CLASSES, seed: int = 0) -> PanelSlices:
    return PanelSlices(domains, classes, seed)


def method(segment: bool = True, average: float = 0.0) -> Translation:
    torch.manual_seed(0)
    generator = Generator(4, 1)
    return Translation(
        generator,
        Discriminator(4),
        PatchProjection(generator.tap_channels(TAPS), 8),
        UNet((1, *PLANE), 3, (4, 4, 4, 4, 8)) if segment else None,
        TranslationOptions(taps=TAPS, average=average),
    ).eval()


def maker(folder: Path, made: Translation | None = None, **changed: Any) -> PanelMaker:
    given = {"device": CPU, "classes": LIVER_AND_SPLEEN, **changed}
    return PanelMaker(made or method(), given.pop("domains", None) or study(), folder, **given)


def drawn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *args: Any, **changed: Any) -> list[Panel]:
    """The panels of one picture."""
    seen: list[Panel] = []
    monkeypatch.setattr(translation_panels, "write_panels", lambda path, panels, classes, title: seen.extend(panels))
    maker(tmp_path, *args, **changed).draw(1)
    return seen


# which slices


def test_source_slices_are_of_different_validation_patients_and_show_something() -> None:
    domains = study()
    rows = slices(domains).shown
    samples = domains.samples
    assert len(rows) == SLICES == len(set(samples.cases[rows].tolist()))
    assert domains.source[rows].all()
    assert set(samples.splits[rows].tolist()) == {"val"}
    assert samples.slices is not None
    assert (samples.slices[rows] != 0).all()


def test_training_patients_are_shown_where_nobody_validates() -> None:
    domains = study(patients={"A": "train", "B": "train", "X": "test"})
    found = slices(domains)
    assert found.split == "train"
    assert set(domains.samples.splits[found.shown].tolist()) == {"train"}


def test_test_patients_are_never_shown_and_the_check_can_fail() -> None:
    domains = study()
    held_out = set(np.flatnonzero(domains.samples.splits == "test").tolist())
    shown = {row for seed in range(20) for row in (*slices(domains, seed=seed).shown, *slices(domains, seed=seed).pool)}
    assert not held_out & shown
    leaking = replace(domains, samples=replace(domains.samples, splits=np.full(len(domains.samples), "train")))
    assert held_out & {row for seed in range(20) for row in slices(leaking, seed=seed).shown}


@pytest.mark.parametrize(("images", "expected"), [(1, [4]), (2, [2, 2]), (3, [2, 1, 1])])
def test_few_images_give_several_slices_each(images: int, expected: list[int]) -> None:
    domains = study(patients={f"V{n}": "val" for n in range(images)}, slices=9)
    rows = slices(domains).shown
    counts = [np.count_nonzero(domains.samples.cases[rows] == case) for case in np.unique(domains.samples.cases[rows])]
    assert sorted(counts, reverse=True) == expected
    assert len(set(rows)) == SLICES


def test_slices_of_one_image_are_of_all_its_parts() -> None:
    domains = study(patients={"V": "val"}, slices=9, masked=False)
    assert slices(domains).shown == [2, 4, 6, 8]  # the middles of 1 2, 3 4, 5 6, 7 8: slice 0 is even


def test_an_image_of_fewer_slices_is_shown_as_far_as_it_goes() -> None:
    assert slices(study(patients={"V": "val"}, slices=2, empty=())).shown == [0, 1]
    assert slices(study(patients={"V": "val"}, slices=2, empty=(0, 1))).shown == [0, 1]


def test_images_with_masks_come_first_and_masks_count_only_when_used() -> None:
    domains = study(masked=["V1", "V4"])
    named = {seed: set(domains.samples.patients[slices(domains, seed=seed).shown].tolist()) for seed in range(8)}
    assert all({"V1", "V4"} <= patients for patients in named.values())
    without = [set(domains.samples.patients[slices(domains, (), seed).shown].tolist()) for seed in range(8)]
    assert not all({"V1", "V4"} <= patients for patients in without)


def test_of_a_labelled_image_the_slice_with_most_classes_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    domains = study(patients={f"V{n}": "val" for n in range(4)}, slices=5, empty=())
    store = store_of_source(domains)

    def labels(entry: Any, slice: int) -> np.ndarray:
        mask = np.zeros((1, *PLANE), np.uint8)
        mask[0, : 3 + slice] = CLASSES[0]  # more of one class from slice to slice, but two classes in slice 2 alone
        mask[0, :1] = CLASSES[1] if slice == 2 else mask[0, :1]
        return mask

    monkeypatch.setattr(store, "labels", labels)
    assert domains.samples.slices is not None
    assert domains.samples.slices[slices(domains).shown].tolist() == [2, 2, 2, 2]


def store_of_source(domains: Domains) -> Any:
    return domains.samples.entries[0].store


def test_the_choice_depends_on_the_seed_alone() -> None:
    first, again = slices(study(), seed=3), slices(study(), seed=3)
    torch.rand(5)
    np.random.rand(5)
    assert first.shown == again.shown
    assert first.pool == again.pool
    assert len({tuple(slices(study(), seed=seed).shown) for seed in range(8)}) > 1
    assert len({tuple(slices(study(), seed=seed).pool) for seed in range(8)}) > 1


def test_the_pool_is_of_training_targets_that_show_something() -> None:
    domains = study()
    pool = slices(domains).pool
    assert sorted(domains.samples.patients[pool].tolist()) == ["M0"] * 3 + ["M1"] * 3
    assert not domains.source[pool].any()
    assert domains.samples.slices is not None
    assert (domains.samples.slices[pool] != 0).all()


def test_the_pool_has_an_end_and_even_targets_are_better_than_none() -> None:
    source = domain("ct", {"V": "val"}, plane=PLANE)
    many = join_domains(source, domain("mr", 5, slices=40, plane=PLANE))
    assert len(slices(many).pool) == POOL == len(set(slices(many).pool))
    even = join_domains(source, domain("mr", 2, slices=3, plane=PLANE, empty=(0, 1, 2)))
    assert len(slices(even).pool) == 6


def test_no_mask_of_a_target_is_read_and_the_check_can_fail(tmp_path: Path) -> None:
    domains = study()
    target = domains.samples.entries[-1].store
    maker(tmp_path, domains=domains).draw(1)
    assert store_of_source(domains).label_reads
    assert target.label_reads == []
    found = slices(domains)
    assert found.mask(found.pool[0]) is None
    found._source = np.ones_like(domains.source)
    found.mask(found.pool[0])
    assert target.label_reads


# what is drawn


def test_a_panel_has_the_slice_its_translation_and_what_was_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made, domains = method(), study()
    panels = drawn(monkeypatch, tmp_path, made, domains=domains)
    rows = slices(domains).shown
    assert len(panels) == SLICES
    for row, panel in zip(rows, panels, strict=True):
        voxels = np.empty((1, *PLANE), np.float32)
        domains.samples.read(row, voxels)
        assert (panel.source == voxels[0]).all()
        assert panel.case == domains.samples.cases[row]
        image = torch.from_numpy(voxels)[None, None]
        with torch.no_grad():
            translated = made.kept_generator(image)
            found = made.kept_segmenter.probabilities(translated).argmax(1)  # type: ignore[union-attr]
        assert np.allclose(panel.translated, translated[0, 0, 0], atol=1e-6)
        assert panel.segmentation is not None
        assert (panel.segmentation == found[0, 0].numpy()).mean() > 0.99
        assert panel.labels is not None
        assert set(np.unique(panel.labels).tolist()) == {1, 2}
        assert len(panel.neighbours) == NEIGHBOURS == len(panel.neighbour_segmentations)


def test_without_masks_and_segmenter_nothing_is_outlined(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    panels = drawn(monkeypatch, tmp_path, method(segment=False), classes=())
    assert [(each.labels, each.segmentation, each.neighbour_segmentations) for each in panels] == [(None, None, ())] * 4


def test_the_nearest_target_is_the_one_that_looks_alike(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = method(segment=False)
    drawing = maker(tmp_path, made)
    pool = drawing.slices.pool
    random = np.random.default_rng(0)
    looks = {row: random.random(PLANE, dtype=np.float32) for row in (*pool, *drawing.slices.shown)}
    monkeypatch.setattr(drawing.slices, "read", looks.__getitem__)
    wanted = [pool[4], pool[1]]
    mixed = 0.8 * looks[wanted[0]] + 0.2 * looks[wanted[1]]
    noisy = mixed + 0.01 * random.standard_normal(PLANE, dtype=np.float32)
    assert drawing._nearest(noisy) == wanted


@pytest.mark.parametrize(
    ("every", "epochs", "expected"), [(3, 7, [3, 6, 7]), (1, 3, [1, 2, 3]), (5, 5, [5]), (9, 4, [4])]
)
def test_every_few_epochs_and_the_last_one_are_drawn(
    every: int, epochs: int, expected: list[int], tmp_path: Path
) -> None:
    drawing = maker(tmp_path, every=every, epochs=epochs)
    for epoch in range(1, epochs + 1):
        drawing.draw(epoch)
    files = sorted(file.name for file in (tmp_path / "panels").iterdir())
    assert files == [f"epoch-{epoch:04d}.png" for epoch in expected]


def test_a_resumed_run_draws_the_same(tmp_path: Path) -> None:
    made = method()
    maker(tmp_path / "whole", made).draw(1)
    torch.rand(7)
    maker(tmp_path / "resumed", copy.deepcopy(made)).draw(1)
    whole, resumed = ((tmp_path / name / "panels" / "epoch-0001.png").read_bytes() for name in ("whole", "resumed"))
    assert whole == resumed


@pytest.mark.parametrize(("average", "shows"), [(0.0, "generator"), (0.9, "average_generator")])
def test_what_is_kept_is_what_is_shown(
    average: float, shows: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = method(average=average)
    before = drawn(monkeypatch, tmp_path, made)[0].translated
    for name in ("generator", "average_generator"):
        network = getattr(made, name)
        if network is None:
            continue
        with torch.no_grad():
            network.last[1].bias += 0.5
        after = drawn(monkeypatch, tmp_path, made)[0].translated
        assert bool((after != before).any()) == (name == shows)
        before = after


def test_drawing_leaves_no_trace_in_the_training(tmp_path: Path) -> None:
    made = method().train()
    weights, state = copy.deepcopy(made.state_dict()), torch.get_rng_state()
    call_after_epoch(maker(tmp_path, made, every=2, epochs=9).draw, made, 2, CPU)  # type: ignore[arg-type]
    assert (tmp_path / "panels" / "epoch-0002.png").is_file()
    assert made.training
    assert torch.equal(torch.get_rng_state(), state)
    assert all(parameter.grad is None for parameter in made.parameters())
    for name, value in made.state_dict().items():
        assert value == weights[name] if not torch.is_tensor(value) else torch.equal(value, weights[name])


def test_names_are_shown_only_where_they_may_be(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    named = drawn(monkeypatch, tmp_path)
    assert all(each.case.endswith("_ct") and "_mr · slice" in each.neighbour_names[0] for each in named)
    numbered = drawn(monkeypatch, tmp_path, ids=False)
    assert [each.case for each in numbered] == ["image 1", "image 2", "image 3", "image 4"]
    assert all(each.neighbour_names == () for each in numbered)


def test_a_full_disk_is_told_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def full(*args: object) -> bytes:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(panels_module.Path, "write_bytes", full)
    with pytest.raises(RunFailed, match="disk is full"):
        maker(tmp_path).draw(1)
    assert list((tmp_path / "panels").iterdir()) == []
