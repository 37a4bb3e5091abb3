from __future__ import annotations

import pytest
import torch

from medcl.training.sums import RunningSums

CPU = torch.device("cpu")


def test_means_of_what_each_name_was_given() -> None:
    sums = RunningSums(CPU)
    sums.add({"loss": torch.tensor(1.0), "rare": torch.tensor(5.0)})
    sums.add({"loss": torch.tensor(2.0, requires_grad=True)})
    assert sums.means() == {"loss": 1.5, "rare": 5.0}
    sums.clear()
    assert sums.means() == {}


def test_a_sum_cut_in_two_is_the_whole_sum_bit_for_bit() -> None:
    values = torch.rand(50)
    whole, first, second = RunningSums(CPU), RunningSums(CPU), RunningSums(CPU)
    for index, value in enumerate(values):
        whole.add({"loss": value})
        if index == 20:
            second.load_state_dict(first.state_dict())
        (first if index < 20 else second).add({"loss": value})
    assert second.means() == whole.means()
    assert whole.means()["loss"] == pytest.approx(values.double().mean().item(), rel=1e-12)
