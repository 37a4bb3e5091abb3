from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW

from medcl.training.lars import LARS
from medcl.training.optimizers import build_optimizers, parameters_of, set_learning_rates
from medcl.training.settings import TrainingSettings


def parameter() -> nn.Parameter:
    return nn.Parameter(torch.ones(2))


@pytest.mark.parametrize(("name", "kind"), [("sgd", SGD), ("adam", Adam), ("adamw", AdamW), ("lars", LARS)])
def test_optimizer_by_name_with_the_settings(name: str, kind: type) -> None:
    settings = TrainingSettings(optimizer=name, lr=0.3, momentum=0.7, weight_decay=0.2)
    optimizer = build_optimizers({"main": [parameter()]}, settings)["main"]
    assert type(optimizer) is kind
    group = optimizer.param_groups[0]
    assert (group["lr"], group["weight_decay"]) == (0.3, 0.2)
    assert group.get("momentum", 0.7) == 0.7


def test_sgd_step_with_momentum_has_the_known_answer() -> None:
    weight = nn.Parameter(torch.tensor([1.0]))
    optimizer = build_optimizers({"main": [weight]}, TrainingSettings(lr=0.1, momentum=0.9))["main"]
    for _ in range(2):  # gradient 1: velocity 1, then 1.9
        weight.grad = torch.ones(1)
        optimizer.step()
    assert weight.item() == pytest.approx(1 - 0.1 - 0.19)


def test_schedule_scales_each_groups_own_peak() -> None:
    groups = {"a": [parameter()], "b": [{"params": [parameter()], "lr": 1e-3}, {"params": [parameter()]}]}
    optimizers = build_optimizers(groups, TrainingSettings(lr=0.1))
    for factor in (0.5, 0.25):
        set_learning_rates(optimizers, factor)
        rates = [group["lr"] for optimizer in optimizers.values() for group in optimizer.param_groups]
        assert rates == pytest.approx([0.1 * factor, 1e-3 * factor, 0.1 * factor])
    assert len(parameters_of(optimizers["b"])) == 2


def test_parameter_in_two_optimizers_is_refused() -> None:
    shared = parameter()
    with pytest.raises(ValueError, match="'a' and 'b'"):
        build_optimizers({"a": [shared], "b": [{"params": [shared]}]}, TrainingSettings())
