from __future__ import annotations

from medcl.study.label_classes import unnamed_classes
from medcl.study.label_values import MOST_TOLD, classes_in_words, values_in_words


def test_few_values_are_told_whole_and_in_order() -> None:
    assert values_in_words({9: 1, 7: 5000}) == "7 (5,000 voxels), 9 (1 voxel)"
    assert classes_in_words(unnamed_classes([2, 1])) == "1 = label 1, 2 = label 2"


def test_many_are_counted() -> None:
    told = values_in_words(dict.fromkeys(range(1, 1001), 3))
    assert told.startswith("1 (3 voxels), 2 ")
    assert told.endswith(f"{MOST_TOLD} (3 voxels) and 992 more values")
    assert values_in_words(dict.fromkeys(range(MOST_TOLD + 1), 3)).endswith(" and 1 more value")
    assert classes_in_words(unnamed_classes(range(1, 11))).endswith("8 = label 8 and 2 more classes")
