"""Batch norm over the global batch, so that its statistics do not depend on how many ranks share a batch.

On GPUs this is torch's SyncBatchNorm. That refuses CPU tensors in a process group, so the CPU has a twin here, which
makes "one process equals two" testable in float64; it is written for exactness, not for speed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.modules.batchnorm import _BatchNorm

from medcl.training.distributed import world_size


class Parent(Protocol):
    """Anything with named parts: a module, or a method as the loop sees it."""

    def named_children(self) -> Iterator[tuple[str, nn.Module]]: ...


def gather_norms(module: Parent, device: torch.device) -> None:
    """Give every batch norm inside `module` the statistics of all ranks; parameters, buffers and names stay.

    With one process nothing changes.
    """
    if world_size() == 1:
        return
    for name, child in module.named_children():
        if isinstance(child, _BatchNorm) and not isinstance(child, nn.SyncBatchNorm):
            setattr(module, name, _gathered(child, device))
        else:
            gather_norms(child, device)


class GatheredBatchNorm(_BatchNorm):
    """Batch norm whose training statistics are those of all ranks together; for the CPU.

    As torch's: normalised by the biased variance, running averages by the unbiased one.
    """

    def forward(self, images: Tensor) -> Tensor:
        """Return `images` (B, C, ...) normalised, in their own precision."""
        if not (self.training or self.running_mean is None):
            return super().forward(images)
        values = images.float() if images.dtype in (torch.float16, torch.bfloat16) else images
        over = [axis for axis in range(values.ndim) if axis != 1]
        shape = [1, -1] + [1] * (values.ndim - 2)
        count = values.new_tensor([values.numel() / values.shape[1]])
        sums = _sum_over_ranks(torch.cat([values.sum(over), count]))
        total = sums[-1].detach()
        mean = sums[:-1] / total
        centred = values - mean.view(shape)
        variance = _sum_over_ranks(centred.square().sum(over)) / total
        self._follow(mean.detach(), variance.detach() * total / (total - 1).clamp_min(1))
        normal = centred * torch.rsqrt(variance + self.eps).view(shape)
        if self.affine:
            normal = normal * self.weight.view(shape) + self.bias.view(shape)
        return normal.to(images.dtype)

    def _follow(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running averages."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        step = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), step)
        self.running_var.lerp_(variance.to(self.running_var.dtype), step)

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim < 2:
            raise ValueError(f"expected (B, C, ...), got {tuple(input.shape)}")


def _gathered(norm: _BatchNorm, device: torch.device) -> nn.Module:
    if device.type != "cpu":
        return cast(nn.Module, nn.SyncBatchNorm.convert_sync_batchnorm(norm))  # type: ignore[no-untyped-call]
    twin = GatheredBatchNorm(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
    twin.weight, twin.bias = norm.weight, norm.bias  # the same tensors, which an optimizer may hold already
    twin.running_mean, twin.running_var = norm.running_mean, norm.running_var
    twin.num_batches_tracked = norm.num_batches_tracked
    twin.train(norm.training)
    return twin


def _sum_over_ranks(tensor: Tensor) -> Tensor:
    return cast(Tensor, _Sum.apply(tensor))  # type: ignore[no-untyped-call]


class _Sum(torch.autograd.Function):
    """Sum over the ranks; what all ranks ask of the sum is asked of each summand."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        total = tensor.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        asked = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(asked)
        return asked
