from __future__ import annotations

import numpy as np
import pytest

from medcl.evaluation.retrieval import prompt_retrieval
from medcl.study.errors import BadInput

PROMPTS = np.eye(10)
WHO = [f"P{number}" for number in range(10)]


def test_perfect_features_find_their_prompt() -> None:
    found = prompt_retrieval(3 * PROMPTS + 0.01, PROMPTS, np.arange(10), WHO, draws=50)
    assert found.ranks.tolist() == [1] * 10
    assert (found.median.value, found.recall[1].value, found.recall[5].value) == (1, 1, 1)
    assert (found.prompts, found.chance_median, found.chance_recall) == (10, 5.5, {1: 0.1, 5: 0.5})


def test_features_that_collapse_are_at_chance_not_perfect() -> None:
    found = prompt_retrieval(np.ones((10, 4)), np.ones((10, 4)), np.arange(10), WHO, draws=50)
    assert found.ranks.tolist() == [5.5] * 10
    assert found.recall[1].value == pytest.approx(0.1)
    assert found.recall[5].value == pytest.approx(0.5)


def test_noise_is_at_chance() -> None:
    generator = np.random.default_rng(0)
    images, prompts = generator.normal(size=(400, 8)), generator.normal(size=(20, 8))
    found = prompt_retrieval(images, prompts, generator.integers(0, 20, 400), np.arange(400).astype(str), draws=200)
    assert found.recall[5].low < 0.25 < found.recall[5].high
    assert found.median.value == pytest.approx(10.5, abs=1.5)


def test_a_rank_by_hand() -> None:
    """Cosines to (1, 0): 1, .8, .6, 0; the right one is the third."""
    prompts = np.array([[2.0, 0.0], [0.8, 0.6], [0.6, 0.8], [0.0, 5.0]])
    images = np.array([[1.0, 0.0], [9.0, 0.0]])
    found = prompt_retrieval(images, prompts, [2, 0], ["A", "B"], depths=(1, 2, 3), draws=50)
    assert found.ranks.tolist() == [3, 1]
    assert [found.recall[depth].value for depth in (1, 2, 3)] == [0.5, 0.5, 1]
    assert found.median.value == 2


def test_what_has_no_rank_is_refused() -> None:
    with pytest.raises(BadInput, match="10 numbers and prompt features 3: they are not in one space"):
        prompt_retrieval(PROMPTS, np.ones((10, 3)), np.arange(10), WHO)
    with pytest.raises(BadInput, match="at least 2 of them, found 1"):
        prompt_retrieval(PROMPTS, PROMPTS[:1], np.zeros(10), WHO)
    with pytest.raises(BadInput, match="place of its prompt among 10"):
        prompt_retrieval(PROMPTS, PROMPTS, np.arange(10) + 1, WHO)
    with pytest.raises(BadInput, match="1 prompt rows have features that are not finite or all 0"):
        prompt_retrieval(PROMPTS, np.vstack([PROMPTS, np.zeros((1, 10))]), np.arange(10), WHO)
