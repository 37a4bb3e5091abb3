"""Words of prompts as numbers."""

from __future__ import annotations

import pytest

from medcl.networks.word_vocabulary import PADDING, START, WordVocabulary
from medcl.study.errors import BadInput

TEXTS = ["The GFR was very low.", "The donor's age was low; GFR 30.5 mL/min."]


def test_words_are_lower_case_and_signs_stand_alone() -> None:
    words = ("'", ".", "/", "30", "5", ";", "age", "donor", "gfr", "low", "min", "ml", "s", "the", "very", "was")
    assert WordVocabulary(TEXTS).words == words


def test_texts_become_numbers_with_a_start() -> None:
    vocabulary = WordVocabulary(TEXTS)
    numbers = vocabulary(["GFR was low.", "was"])
    assert numbers[0][0] == numbers[1][0] == START
    assert [vocabulary.words[number - 2] for number in numbers[0][1:]] == ["gfr", "was", "low", "."]
    assert len({PADDING, START, *range(2, len(vocabulary))}) == len(vocabulary) == 18
    assert max(max(row) for row in vocabulary(TEXTS)) < len(vocabulary)


def test_neither_the_order_nor_repeats_change_it_and_its_words_make_it_again() -> None:
    vocabulary = WordVocabulary(TEXTS)
    for texts in (TEXTS[::-1], TEXTS * 3, vocabulary.words):
        assert WordVocabulary(texts).words == vocabulary.words
        assert WordVocabulary(texts)(TEXTS) == vocabulary(TEXTS)


def test_unknown_words_are_refused_by_name() -> None:
    with pytest.raises(BadInput, match=r'does not know "high", "creatinine"(?s:.*)minilm'):
        WordVocabulary(TEXTS)(["The GFR was high.", "Creatinine was high."])
    with pytest.raises(BadInput, match=r'"w7" and 4 more words'):
        WordVocabulary(TEXTS)([" ".join(f"w{number}" for number in range(12))])
