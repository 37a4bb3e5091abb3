"""From a method's parameter groups to its optimizers, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch.nn import Parameter
from torch.optim import SGD, Adam, AdamW, Optimizer

from medcl.training.lars import LARS
from medcl.training.method import ParameterGroups
from medcl.training.settings import TrainingSettings

PEAK = "peak_lr"
"""Key of a parameter group under which its peak learning rate stands; the schedule multiplies it."""


def build_optimizers(groups: ParameterGroups, settings: TrainingSettings) -> dict[str, Optimizer]:
    """Return one optimizer for each name of `groups`, in their order.

    A parameter group's own `lr`, `weight_decay`, `betas`, ... win over the settings.

    Raises:
        ValueError: a parameter stands in two optimizers, which would step on it twice.
    """
    _refuse_shared(groups)
    optimizers = {name: _build(list(parameters), settings) for name, parameters in groups.items()}
    for optimizer in optimizers.values():
        for group in optimizer.param_groups:
            group[PEAK] = group["lr"]
    return optimizers


def set_learning_rates(optimizers: Mapping[str, Optimizer], factor: float) -> None:
    """Give every parameter group its peak learning rate times `factor`."""
    for optimizer in optimizers.values():
        for group in optimizer.param_groups:
            group["lr"] = group[PEAK] * factor


def parameters_of(optimizer: Optimizer) -> list[Parameter]:
    """Return all parameters of an optimizer in a fixed order."""
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _build(parameters: list[Any], settings: TrainingSettings) -> Optimizer:
    if settings.optimizer == "lars":
        return LARS(parameters, lr=settings.lr, momentum=settings.momentum, weight_decay=settings.weight_decay)
    fused = _can_be_fused(parameters)
    if settings.optimizer == "sgd":
        return SGD(
            parameters, lr=settings.lr, momentum=settings.momentum, weight_decay=settings.weight_decay, fused=fused
        )
    kind = Adam if settings.optimizer == "adam" else AdamW
    return kind(parameters, lr=settings.lr, weight_decay=settings.weight_decay, fused=fused)


def _can_be_fused(parameters: list[Any]) -> bool:
    """Whether torch has one kernel for all of a step's arithmetic on these parameters' device."""
    tensors = [tensor for entry in parameters for tensor in (entry["params"] if isinstance(entry, dict) else [entry])]
    return all(tensor.device.type in ("cpu", "cuda") and tensor.is_floating_point() for tensor in tensors)


def _refuse_shared(groups: ParameterGroups) -> None:
    owner: dict[int, str] = {}
    for name, parameters in groups.items():
        for entry in parameters:
            for parameter in entry["params"] if isinstance(entry, dict) else [entry]:
                other = owner.setdefault(id(parameter), name)
                if other != name:
                    raise ValueError(f"a parameter belongs to the optimizers {other!r} and {name!r}")
