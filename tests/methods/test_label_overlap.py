from __future__ import annotations

import pytest
import torch

from medcl.methods.label_overlap import label_overlap


def overlap(decided: list[int], truth: list[int], classes: int = 3) -> dict[str, float]:
    found = label_overlap(*(torch.tensor(each).view(1, 1, 1, 1, -1) for each in (decided, truth)), classes)
    return {name: float(value) for name, value in found.items()}


def test_a_hand_case() -> None:
    found = overlap([1, 1, 0, 2], [1, 0, 0, 2])
    assert found["dice_1"] == pytest.approx(2 / 3)
    assert found["dice_2"] == 1
    assert found["loss"] == pytest.approx(1 - (2 / 3 + 1) / 2)
    assert found["weight"] == 1


def test_a_class_that_is_nowhere_is_left_out_and_a_false_one_costs() -> None:
    found = overlap([1, 1, 0, 0], [1, 1, 0, 0])
    assert found["loss"] == 0
    assert found["dice_2"] != found["dice_2"]
    assert overlap([1, 1, 0, 2], [1, 1, 0, 0])["loss"] == pytest.approx(0.5)


def test_an_image_without_any_class_has_no_weight() -> None:
    assert overlap([0, 0], [0, 0]) | {"dice_1": 0, "dice_2": 0} == {"loss": 0, "weight": 0, "dice_1": 0, "dice_2": 0}


def test_voxels_without_a_label_do_not_count() -> None:
    assert overlap([1, 1, 0], [1, 255, 0])["loss"] == 0
