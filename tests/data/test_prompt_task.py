"""Images with prompts: each once an epoch, draws by seed, epoch and image, who is left out, fixed validation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from medcl.data.prompt_task import PromptTask
from medcl.data.task_options import TaskOptions
from medcl.study.errors import BadInput
from tests.methods.prompt_words import prompts_of
from tests.methods.small_study import samples

SEEN = samples((2, 4, 4))
TRAINING = set(np.flatnonzero(SEEN.splits == "train").tolist())


def task(without: frozenset[str] = frozenset(), **options: int) -> PromptTask:
    return PromptTask(SEEN, prompts_of(SEEN, without), TaskOptions(**options))


def drawn(made: PromptTask, epoch: int) -> dict[int, str]:
    """The text of each image in an epoch."""
    plans = made.epoch(epoch)
    return {
        row: made.texts[place] for plan in plans for row, place in zip(plan.rows, plan.targets["prompt"], strict=True)
    }


def test_the_default_is_a_step_of_88_images() -> None:
    made = task()
    assert made.wanted == 88
    assert [len(plan.rows) for plan in made.epoch(0)] == [24]
    assert any("every step sees all" in note for note in made.notes)


@pytest.mark.parametrize(("size", "batches"), [(10, [8, 8, 8]), (23, [12, 12]), (5, [5, 5, 5, 5, 4]), (24, [24])])
def test_each_image_once_an_epoch_in_even_batches(size: int, batches: list[int]) -> None:
    made = task(batch_size=size)
    plans = made.epoch(1)
    assert [len(plan.rows) for plan in plans] == batches
    assert sorted(np.concatenate([plan.rows for plan in plans]).tolist()) == sorted(TRAINING)
    assert all(plan.augment == "epoch" and np.array_equal(plan.keys, plan.rows) for plan in plans)


def test_no_batch_is_of_one_image_alone() -> None:
    made = task(frozenset(SEEN.cases[sorted(TRAINING)[3:]].tolist()), batch_size=2)
    assert [len(plan.rows) for plan in made.epoch(0)] == [3]


def test_prompts_are_true_of_their_images() -> None:
    made = task()
    for row, text in drawn(made, 0).items():
        value = SEEN.values[row]  # type: ignore[index]
        words = ("low", "poor") if value < 40 else ("medium",) if value < 70 else ("high",)
        assert any(word in text.lower() for word in words)
        assert {"D15": "two weeks", "M3": "third month"}[SEEN.exams[row]] in text or "xam" not in text


def test_templates_and_synonyms_are_drawn_by_seed_epoch_and_image() -> None:
    made = task()
    first = drawn(made, 3)
    assert drawn(task(batch_size=5), 3) == first  # whatever the batches are
    fewer = task(frozenset([str(SEEN.cases[0])]))
    assert drawn(fewer, 3) == {row: text for row, text in first.items() if row != 0}  # and whoever else there is
    assert drawn(made, 4) != first
    assert drawn(task(seed=1), 3) != first
    texts = {text for epoch in range(40) for text in drawn(made, epoch).values()}
    assert texts == {text for text in made.texts if text in texts}
    assert len(texts) == len(made.texts) == 4 * 2 * 2 + 4  # every template in every wording


def test_targets_tell_who_says_the_same() -> None:
    made = task()
    (plan,) = made.epoch(0)
    level = np.digitize(SEEN.values[plan.rows], [40, 70])  # type: ignore[index]
    known = np.stack([level, SEEN.exams[plan.rows] == "D15"], axis=1)
    expected = (known[:, None] == known[None]).all(axis=2)
    statement, said = plan.targets["statement"], plan.targets["said"]
    assert np.array_equal(statement[:, None] == statement[None], expected)
    texts = [made.texts[place] for place in plan.targets["prompt"]]
    both = [("weeks" in text, "month" in text) for text in texts]
    what = np.concatenate([level[:, None], np.array(both)], axis=1)
    assert np.array_equal(said[:, None] == said[None], (what[:, None] == what[None]).all(axis=2))


def test_images_without_prompt_are_left_out_and_told() -> None:
    gone = frozenset(SEEN.cases[[0, 1, 6]].tolist())  # the last is one of the validation
    made = task(gone)
    assert set(drawn(made, 0)) == TRAINING - {0, 1}
    assert 6 not in made.held_out
    assert "2 of 24 training images have no prompt and are left out" in made.notes
    assert "1 of 8 validation images have no prompt and are left out" in made.notes
    assert made.describe()["training_images_without_prompt"] == 2


def test_validation_is_fixed_and_asks_among_all_different_prompts() -> None:
    made = task(batch_size=5)
    plans = made.validation()
    assert [len(plan.rows) for plan in plans] == [4, 4]
    assert all(plan.augment == "none" for plan in plans)
    for plan in plans:
        candidates = plan.targets["candidates"]
        assert len(np.unique(candidates)) == len(candidates)
        assert np.array_equal(candidates, plans[0].targets["candidates"])
        assert np.array_equal(candidates[plan.targets["right"]], plan.targets["prompt"])
        texts = [made.texts[place] for place in plan.targets["prompt"]]
        assert all(
            text.startswith("Function was") and "poor" not in text.lower() for text in texts
        )  # fullest, first wording
    used = {place for plan in plans for place in plan.targets["prompt"].tolist()}
    assert used == set(plans[0].targets["candidates"].tolist())
    assert sum(len(plan.rows) for plan in task(validation_images=3).validation()) == 3
    assert task(frozenset(SEEN.cases[SEEN.splits == "val"][1:].tolist())).validation() == []


def test_no_text_of_a_test_patient_alone_is_kept() -> None:
    tested = replace(SEEN, splits=np.where(SEEN.values > 70, "test", SEEN.splits))  # type: ignore[operator]
    made = PromptTask(tested, prompts_of(tested), TaskOptions())
    assert not any("high" in text.lower() for text in made.texts)


def test_unusable_cohorts_are_refused() -> None:
    everybody = SEEN.cases.tolist()
    with pytest.raises(BadInput, match="two training images or more that have a prompt"):
        task(frozenset(everybody) - {everybody[0]})
    alike = replace(SEEN, values=np.full(len(SEEN), 50.0), exams=np.full(len(SEEN), "D15"))
    with pytest.raises(BadInput, match="all 24 training images say the same"):
        PromptTask(alike, prompts_of(alike), TaskOptions())


def test_slices_of_an_image_have_its_prompts() -> None:
    twice = np.repeat(np.arange(len(SEEN)), 2)
    parts = {name: getattr(SEEN, name)[twice] for name in ("cases", "patients", "exams", "sequences", "splits")}
    entries = [SEEN.entries[row] for row in twice]
    slices = np.tile([0, 1], len(SEEN))
    sliced = replace(SEEN, **parts, entries=entries, values=SEEN.values[twice], slices=slices)  # type: ignore[index]
    made = PromptTask(sliced, prompts_of(SEEN), TaskOptions())
    assert sum(len(plan.rows) for plan in made.epoch(0)) == 48
    assert np.array_equal(made.statements[0::2], made.statements[1::2])
