"""LARS: stochastic gradient descent for large batches, each layer with a step in proportion to its weights.

You et al. 2017 (arXiv:1708.03888, algorithm 1). Biases and the weights of norms are moved as by SGD and not decayed:
their norms say nothing of a layer's scale.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

ETA = 0.001
"""The trust coefficient of the paper: the part of a layer's norm that a step of learning rate 1 moves it by."""


class LARS(Optimizer):
    """Layer-wise adaptive rate scaling with momentum.

    For weights p with gradient g, wd the weight decay: v <- momentum v + lr trust (g + wd p), p <- p - v, where trust =
    eta |p| / (|g| + wd |p|), or 1 where |p| or |g| is 0. Parameters of at most one dimension (biases, norms) have
    trust 1 and no weight decay. Parameters without a gradient stay as they are, their velocity too. The host never
    waits for a GPU.

    Args:
        params: parameters or groups of them; a group's own `lr`, `momentum`, `weight_decay` and `eta` win.
        lr: learning rate, which enters the velocity, as in the paper.
        momentum: of the velocity.
        weight_decay: added to the gradient.
        eta: the trust coefficient.
    """

    def __init__(
        self, params: Any, lr: float, *, momentum: float = 0.9, weight_decay: float = 0.0, eta: float = ETA
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "eta": eta})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Step once on the gradients at hand; return what `closure` gives, which is called first."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            self._step_group(group)
        return loss

    def _step_group(self, group: dict[str, Any]) -> None:
        parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
        if not parameters:
            return
        steps = [_scaled(parameter, group) for parameter in parameters]
        velocities = [self._velocity(parameter) for parameter in parameters]
        torch._foreach_mul_(velocities, group["momentum"])
        torch._foreach_add_(velocities, steps)
        torch._foreach_sub_(parameters, velocities)

    def _velocity(self, parameter: Tensor) -> Tensor:
        state = self.state[parameter]
        if "velocity" not in state:
            state["velocity"] = torch.zeros_like(parameter, memory_format=torch.preserve_format)
        velocity: Tensor = state["velocity"]
        return velocity


def _scaled(parameter: Tensor, group: dict[str, Any]) -> Tensor:
    """Return lr trust (g + wd p) of one parameter."""
    gradient = parameter.grad
    assert gradient is not None
    if parameter.ndim <= 1:
        return gradient.mul(group["lr"])
    decay = group["weight_decay"]
    weight, slope = torch.linalg.vector_norm(parameter), torch.linalg.vector_norm(gradient)
    adapted = group["eta"] * weight / (slope + decay * weight)  # NaN where both are 0, and then not taken
    trust = torch.where((weight > 0) & (slope > 0), adapted, 1.0)
    scaled: Tensor = torch.add(gradient, parameter, alpha=decay).mul_(trust * group["lr"])
    return scaled
