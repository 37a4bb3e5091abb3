"""Source and target slices of a step: how many, whose, how often, unpaired; and masks of the source alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from medcl.data import translation_task
from medcl.data.domains import Domains, join_domains
from medcl.data.loader import Loader
from medcl.data.plan import BatchPlan
from medcl.data.samples import Samples
from medcl.data.source import TaskSource
from medcl.data.translation_options import TranslationTaskOptions
from medcl.data.translation_task import EVEN_SD, TranslationTask
from medcl.losses.cross_entropy_dice import UNLABELLED
from medcl.study.errors import BadInput
from medcl.training import distributed
from tests.data.domain_study import CLASSES, domain, store_of

BOTH = {"B0": "train", "B1": "train", "B2": "train", "B3": "val", "B4": "test"}
"""Patients who have images of source and target."""


def joined(source: Any = 3, target: Any = 3, **options: Any) -> Domains:
    return join_domains(domain("ct", source, **options), domain("mr", target, **options))


def made(domains: Domains, **options: Any) -> TranslationTask:
    return TranslationTask(domains, TranslationTaskOptions(**options))


def drawn(plans: list[BatchPlan], source: bool) -> list[int]:
    """Rows of a side in the order in which an epoch uses them."""
    return [row for plan in plans for row in plan.rows[plan.targets["source"] == source].tolist()]


def plain(plans: list[BatchPlan]) -> list[Any]:
    return [
        (plan.rows.tolist(), plan.keys.tolist(), {name: values.tolist() for name, values in plan.targets.items()})
        for plan in plans
    ]


@pytest.mark.parametrize("batch_size", [1, 2, 3, 7])
def test_a_step_alternates_source_and_target(batch_size: int) -> None:
    domains = joined(3, 5)
    task = made(domains, batch_size=batch_size)
    plans = task.epoch(0)
    assert len(plans) == task.steps == -(-20 // batch_size), "each slice of the larger side, and full batches"
    for plan in plans:
        assert plan.targets["source"].tolist() == [True, False] * batch_size
        assert domains.source[plan.rows].tolist() == [True, False] * batch_size
        assert plan.augment == "epoch"
    keys = np.concatenate([plan.keys for plan in plans])
    assert sorted(keys.tolist()) == list(range(2 * batch_size * len(plans)))
    assert len(made(domains, batch_size=batch_size, steps=2).epoch(0)) == 2


def early(rows: list[int]) -> bool:
    """Whether a row is used twice while another one waits for its first, second, ... time."""
    counts = Counter(dict.fromkeys(rows, 0))
    for row in rows:
        counts[row] += 1
        if max(counts.values()) - min(counts.values()) > 1:
            return True
    return False


@pytest.mark.parametrize("batch_size", [1, 3, 5])
def test_every_slice_is_used_before_one_is_used_again(batch_size: int) -> None:
    domains = joined(2, 6)
    plans = made(domains, batch_size=batch_size).epoch(3)
    for source in (True, False):
        rows = drawn(plans, source)
        assert set(rows) == set(np.flatnonzero(domains.source == source))
        assert not early(rows)


def test_use_before_its_turn_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: slices drawn with replacement."""

    def replaced(rows: Any, size: int, steps: int, generator: Any, images: Any) -> Any:
        return (generator.choice(rows, size) for _ in range(steps))

    monkeypatch.setattr(translation_task, "cycle", replaced)
    plans = made(joined(2, 6)).epoch(3)
    assert early(drawn(plans, True))
    assert early(drawn(plans, False))


def test_a_batch_larger_than_a_side_is_filled_evenly() -> None:
    domains = joined({"A": "train"}, 6)  # 4 source slices, 24 of the target
    for batch_size in (4, 6, 8, 11):
        plans = made(domains, batch_size=batch_size, steps=3).epoch(0)
        for plan in plans:
            assert len(plan.rows) == 2 * batch_size
            counts = Counter(drawn([plan], True))
            assert len(counts) == 4
            assert max(counts.values()) - min(counts.values()) <= 1
            assert max(Counter(drawn([plan], False)).values()) == 1
        every = Counter(drawn(plans, True)).values()
        assert max(every) - min(every) <= 1


def test_one_slice_of_each_is_enough() -> None:
    domains = joined(1, 1, slices=1)
    (plan,) = made(domains).epoch(0)
    assert plan.rows.tolist() == [0, 1]
    (plan,) = made(domains, batch_size=3).epoch(0)
    assert plan.rows.tolist() == [0, 1] * 3


def test_slices_of_one_image_stand_apart() -> None:
    domains = joined(8, 8, slices=6)
    for epoch in range(3):
        plans = made(domains).epoch(epoch)
        for source in (True, False):
            cases = domains.samples.cases[drawn(plans, source)].tolist()
            again = [
                cases[place + 1 :].index(case) + 1 for place, case in enumerate(cases) if case in cases[place + 1 :]
            ]
            assert np.mean(again) == pytest.approx(8, abs=1)
            assert sum(gap < 2 for gap in again) <= 1, "as many apart as there are images, or nearly"


def same_places(task: TranslationTask, epochs: int = 4) -> float:
    """Share of the steps whose source and target slice have the same place in their sides."""
    places = []
    for epoch in range(epochs):
        plans = task.epoch(epoch)
        ours, theirs = (np.searchsorted(np.unique(rows), rows) for rows in (drawn(plans, True), drawn(plans, False)))
        places += (ours == theirs).tolist()
    return float(np.mean(places))


def test_nothing_is_paired() -> None:
    assert same_places(made(joined(10, 10))) < 0.15  # 1 of 40 by chance


def test_pairs_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: one order for both."""
    good = translation_task.keyed_generator
    monkeypatch.setattr(translation_task, "keyed_generator", lambda seed, purpose, *more: good(seed, "both", *more))
    assert same_places(made(joined(10, 10))) == 1


def test_the_order_of_the_target_does_not_know_the_source() -> None:
    def order(domains: Domains, source: bool) -> list[tuple[str, int]]:
        assert domains.samples.slices is not None
        rows = drawn(made(domains, steps=40).epoch(1), source)
        return [(str(domains.samples.cases[row]), int(domains.samples.slices[row])) for row in rows]

    few, many = joined(2, 5), joined(9, 5)
    assert order(few, False) == order(many, False)
    assert order(few, True) != order(many, True)
    assert order(joined(5, 2), True) == order(joined(5, 9), True)


@pytest.mark.parametrize("empty", [(), (0,)])
def test_plans_follow_seed_and_epoch_and_not_what_was_asked_before(empty: tuple[int, ...]) -> None:
    domains = joined(4, 5, empty=empty)
    task = made(domains, seed=4, empty_share=0.5)
    later = plain(task.epoch(2))
    assert plain(made(domains, seed=4, empty_share=0.5).epoch(2)) == later
    assert plain(task.epoch(2)) == later
    for other in (task.epoch(1), made(domains, seed=5, empty_share=0.5).epoch(2)):
        for source in (True, False):
            assert drawn(other, source) != drawn(task.epoch(2), source)


def unfair(plans: list[BatchPlan], ranks: int, monkeypatch: pytest.MonkeyPatch) -> set[tuple[int, int]]:
    """Source and target slices of the shares in which they are not equally many."""
    monkeypatch.setattr(distributed, "world_size", lambda: ranks)
    found = set()
    for number in range(ranks):
        monkeypatch.setattr(distributed, "rank", lambda number=number: number)
        for plan in plans:
            share = plan.targets["source"][distributed.own_rows(len(plan.rows))]
            found.add((int(share.sum()), int((~share).sum())))
    return {pair for pair in found if pair[0] != pair[1]}


@pytest.mark.parametrize(("batch_size", "ranks"), [(1, 1), (2, 2), (4, 2), (6, 2), (6, 3), (8, 8), (12, 4)])
def test_ranks_have_as_many_of_both(batch_size: int, ranks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    plans = made(joined(), batch_size=batch_size).epoch(0)
    assert unfair(plans, ranks, monkeypatch) == set()


def test_an_uneven_share_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: the source first."""
    plans = made(joined(), batch_size=4).epoch(0)
    for plan in plans:
        plan.targets["source"].sort()
    assert unfair(plans, 2, monkeypatch) == {(0, 4), (4, 0)}


def leaks(task: TranslationTask, domains: Domains) -> set[str]:
    """What is used where it must not be."""
    samples = domains.samples
    found = set()
    for epoch in range(3):
        for plan in task.epoch(epoch):
            found |= {f"trains on {side}" for side in samples.splits[plan.rows].tolist() if side != "train"}
            shown = plan.rows[plan.targets["labelled"]]
            found |= {"shows masks of the target" for row in shown.tolist() if not domains.source[row]}
    for plan in task.validation():
        found |= {f"validates on {side}" for side in samples.splits[plan.rows].tolist() if side != "val"}
        found |= {"validates on the target" for row in plan.rows.tolist() if not domains.source[row]}
    return found


@pytest.mark.parametrize("options", [{}, {"batch_size": 5}, {"empty_share": 1.0}])
def test_nobody_is_used_who_must_not_be(options: dict[str, Any]) -> None:
    domains = joined(BOTH, BOTH, empty=[0])
    assert leaks(made(domains, **options), domains) == set()


@pytest.mark.parametrize(
    "fault", ["target of validation patients", "test in validation", "target in validation", "masks of the target"]
)
def test_a_leak_is_noticed(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twins: only the source is held out, validation on others' images, masks that are not the source's."""
    domains = joined(BOTH, BOTH)
    if fault == "target of validation patients":
        good = TranslationTask._side
        everybody = np.isin(domains.samples.splits, ["train", "val"])

        def careless(self: TranslationTask, samples: Samples, name: str, training: Any) -> Any:
            return good(self, samples, name, everybody & ~domains.source if name == "target" else training)

        monkeypatch.setattr(TranslationTask, "_side", careless)
    task = made(domains)
    if fault == "test in validation":
        task.held_out = [np.flatnonzero((domains.samples.splits == "test") & domains.source)]
    if fault == "target in validation":
        task.held_out = [np.flatnonzero((domains.samples.splits == "val") & ~domains.source)]
    if fault == "masks of the target":
        task.masked = domains.samples.has_labels
        for plan in (plans := task.epoch(0)):
            plan.targets["labelled"] = task.masked[plan.rows]
        monkeypatch.setattr(task, "epoch", lambda epoch: plans)
    assert leaks(task, domains)


def thinned(task: TranslationTask, domains: Domains, source: bool, epochs: int) -> list[set[int]]:
    """The empty slices (0 and 1 of each image) that each epoch uses."""
    assert domains.samples.slices is not None
    empty = set(np.flatnonzero((domains.source == source) & (domains.samples.slices < 2)))
    return [set(drawn(task.epoch(epoch), source)) & empty for epoch in range(epochs)]


@pytest.mark.parametrize("masked", [True, False])
def test_empty_slices_are_thinned_and_all_have_their_turn(masked: bool) -> None:
    domains = joined(5, 5, empty=[0, 1], masked=masked, slices=6)
    task = made(domains)
    assert task.describe()["empty_source_slices"] == task.describe()["empty_target_slices"] == 10
    assert task.steps == 5 * 4 + 2
    for source in (True, False):
        seen = thinned(task, domains, source, 10)
        assert {len(each) for each in seen} == {2}
        rounds = [set().union(*seen[:5]), set().union(*seen[5:])]
        assert [len(each) for each in rounds] == [10, 10], "each once in five epochs"
        full = set(np.flatnonzero((domains.source == source) & (domains.samples.slices >= 2)))  # type: ignore[operator]
        assert set(drawn(task.epoch(0), source)) >= full


@pytest.mark.parametrize(("share", "used"), [(0.0, 0), (0.04, 0), (0.05, 1), (0.5, 5), (1.0, 10)])
def test_the_share_of_empty_slices_changes_what_is_drawn(share: float, used: int) -> None:
    domains = joined(5, 5, empty=[0, 1], slices=6)
    task = made(domains, empty_share=share)
    for source in (True, False):
        assert {len(each) for each in thinned(task, domains, source, 3)} == {used}
    assert task.steps == 20 + used


def test_where_all_slices_are_empty_all_are_used() -> None:
    source, target = domain("ct", 2, empty=[0, 1, 2, 3]), domain("mr", 2)
    domains = join_domains(source, target)
    task = made(domains, empty_share=0.0)
    assert set(drawn(task.epoch(0), True)) == set(range(8))
    assert task.steps == 8


def test_empty_is_by_the_mask_where_it_may_be_seen_and_by_intensities_elsewhere() -> None:
    """A source slice without organs but full of body is empty; a target slice is, whatever its mask says, if even."""
    source, target = domain("ct", {"P0": "train", "P1": "train"}, masked=["P0"]), domain("mr", 1)
    reader, other = store_of(source), store_of(target)
    reader.labels = lambda entry, slice=None: (  # type: ignore[method-assign]
        reader.label_reads.append((entry.case, slice or 0)) or np.full((1, 4, 6), 3 * (slice or 0), np.uint8)
    )
    noise = np.tile([-1.0, 1.0], 12).reshape(1, 4, 6)
    sds = [0.0, EVEN_SD * 0.98, EVEN_SD * 1.02, 0.5]

    def read(entry: Any, out: Any = None, slice: int | None = None) -> Any:
        other.reads.append((entry.case, slice or 0))
        out[...] = 0.5 + sds[slice or 0] * noise
        return out

    other.read = read  # type: ignore[method-assign]
    task = made(join_domains(source, target))
    assert task.source.empty.tolist() == [0]
    assert task.target.empty.tolist() == [8, 9]
    assert other.label_reads == [], "masks of the target are not looked at"
    assert reader.label_reads == [("P0_ct", n) for n in range(4)]
    assert reader.reads == [("P1_ct", n) for n in range(4)]
    assert other.reads == [("MR0_mr", n) for n in range(4)], "each slice once"


def test_nothing_is_read_when_all_slices_are_used() -> None:
    source, target = domain("ct", 2, empty=[0]), domain("mr", 2)
    made(join_domains(source, target), empty_share=1.0)
    assert not [*store_of(source).reads, *store_of(source).label_reads, *store_of(target).reads]


def test_held_out_slices_are_not_read_to_find_empty_ones() -> None:
    source, target = domain("ct", BOTH, masked=False), domain("mr", BOTH)
    made(join_domains(source, target))
    read = {case[:2] for case, _ in [*store_of(source).reads, *store_of(target).reads]}
    assert read == {"B0", "B1", "B2"}


def test_labelled_are_source_slices_with_a_mask() -> None:
    domains = join_domains(domain("ct", BOTH, masked=["B1", "B3"]), domain("mr", BOTH))
    task = made(domains)
    assert task.labelled_slices == 4
    for plan in task.epoch(0):
        expected = domains.source[plan.rows] & (domains.samples.patients[plan.rows] == "B1")
        assert (plan.targets["labelled"] == expected).all()
    assert made(joined(masked=False)).labelled_slices == 0


def test_validation_is_on_whole_source_images_of_validation_patients() -> None:
    held_out = {"A": "train", "V0": "val", "V1": "val", "V2": "val", "T": "test"}
    for masked, expected in ((True, ["V0", "V1", "V2"]), (["A", "V1"], ["V1"]), (["A"], ["V0", "V1", "V2"])):
        domains = join_domains(domain("ct", held_out, masked=masked), domain("mr", held_out))
        plans = made(domains, batch_size=3).validation()
        assert [domains.samples.cases[plan.rows].tolist() for plan in plans] == [
            [f"{each}_ct"] * 4 for each in expected
        ]
        for plan in plans:
            assert domains.samples.slices is not None
            assert domains.samples.slices[plan.rows].tolist() == [0, 1, 2, 3]
            assert plan.keys.tolist() == [0, 1, 2, 3]
            assert plan.augment == "none"
            assert plan.targets["source"].all()
            assert (plan.targets["labelled"] == domains.samples.has_labels[plan.rows]).all()


def test_without_validation_patients_there_is_no_validation() -> None:
    task = made(joined())
    assert task.validation() == []
    assert any("not validated" in note for note in task.notes)
    assert not any("not validated" in note for note in made(joined(BOTH, BOTH)).notes)


def test_notes_and_record() -> None:
    task = made(joined(BOTH, 5, empty=[0]), batch_size=2)
    assert task.notes == [
        "Trains on 12 source slices (12 of them with a mask) and on 20 target slices.",
        "Of 3 source slices on which nothing is seen an epoch uses 1.",
        "Of 5 target slices on which nothing is seen an epoch uses 1.",
    ]
    assert task.describe() == {
        "sampling": "source and target slices, unpaired",
        "source_slices": 12,
        "target_slices": 20,
        "labelled_slices": 12,
        "empty_source_slices": 3,
        "empty_target_slices": 5,
        "batch_size": 2,
        "steps": 8,
        "validation": {"images": 1},
    }
    assert "(none with a mask)" in made(joined(masked=False)).notes[0]


@pytest.mark.parametrize(("source", "target", "word"), [("val", "train", "source"), ("train", "test", "target")])
def test_a_side_without_training_images_is_refused(source: str, target: str, word: str) -> None:
    with pytest.raises(BadInput, match=rf"no image of the {word} .* training patient.*--{word}.*--splits"):
        made(joined({"A": source}, {"B": target}))


@pytest.mark.parametrize(
    ("change", "flag"),
    [({"batch_size": 0}, "--batch-size"), ({"steps": 0}, "--steps-per-epoch"), ({"empty_share": -0.1}, "--empty-sl")],
)
def test_options_out_of_range_are_refused(change: dict[str, Any], flag: str) -> None:
    with pytest.raises(BadInput, match=flag):
        TranslationTaskOptions(**change)


def shown(domains: Domains, cache_bytes: int) -> Counter[tuple[bool, bool]]:
    """(of the source, with a mask) of all images of two epochs' and the validation's batches of the real loader."""
    task = made(domains, batch_size=3)
    loader = Loader(domains.samples, None, 0, torch.device("cpu"), classes=CLASSES, cache_bytes=cache_bytes)
    source = TaskSource(task, loader)
    found: Counter[tuple[bool, bool]] = Counter()
    batches = [batch for epoch in range(2) for batch in source.batches(source.epoch(epoch), epoch)]
    for batch in [*batches, *source.batches(source.validation(), 0, training=False)]:
        assert batch.labels is not None
        hidden = (batch.labels == UNLABELLED).flatten(1)
        assert (hidden.all(dim=1) == hidden.any(dim=1)).all()
        assert (batch.targets["labelled"] == ~hidden.all(dim=1)).all()
        found.update(zip(batch.targets["source"].tolist(), (~hidden.all(dim=1)).tolist(), strict=True))
    return found


@pytest.mark.parametrize("cache_bytes", [0, 10**9])
def test_masks_of_the_target_reach_no_batch(cache_bytes: int) -> None:
    found = shown(joined(BOTH, BOTH), cache_bytes)
    assert found[False, False] == 24
    assert set(found) == {(False, False), (True, True)}


def _of_all(good: Callable[..., list[BatchPlan]]) -> Callable[..., list[BatchPlan]]:
    """Epochs that show all masks there are."""

    def careless(self: TranslationTask, epoch: int) -> list[BatchPlan]:
        plans = good(self, epoch)
        for plan in plans:
            plan.targets["labelled"] = np.ones(len(plan.rows), bool)
        return plans

    return careless


@pytest.mark.parametrize("fault", ["a loader that does not listen", "a task that shows all"])
def test_a_mask_of_the_target_is_noticed(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twins."""
    if fault == "a loader that does not listen":
        monkeypatch.setattr(Loader, "_hide", lambda self, labels, plan, own: labels)
        with pytest.raises(AssertionError):
            shown(joined(BOTH, BOTH), 0)
    else:
        monkeypatch.setattr(TranslationTask, "epoch", _of_all(TranslationTask.epoch))
        assert shown(joined(BOTH, BOTH), 0)[False, True]
