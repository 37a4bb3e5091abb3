"""Batch norm over the global batch, so that its statistics do not depend on how many ranks share a batch.

On GPUs this is torch's SyncBatchNorm. That refuses CPU tensors in a process group, so the CPU has a twin here, which
makes "one process equals two" testable in float64.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import batch_norm
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
        normal, mean, variance = _Normalise.apply(  # type: ignore[no-untyped-call]
            values, self.weight, self.bias, self.eps
        )
        self._follow(mean, variance)
        return cast(Tensor, normal.to(images.dtype))

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


class _Normalise(torch.autograd.Function):
    """Values normalised by the mean and variance over all ranks, and these two (the variance unbiased).

    What all ranks ask of the common mean and variance is summed before it is asked of each value (Ioffe and Szegedy
    2015, the derivatives below their algorithm 1, with sums over ranks).
    """

    @staticmethod
    def forward(
        ctx: Any, values: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        over, shape = [axis for axis in range(values.ndim) if axis != 1], [1, -1] + [1] * (values.ndim - 2)
        own = values.numel() / values.shape[1]
        own_variance, own_mean = _var_mean(values, over)
        sums = _sum_over_ranks(torch.cat([own_mean * own, values.new_tensor([own])]))
        count = sums[-1]
        mean = sums[:-1] / count
        variance = _sum_over_ranks(own * (own_variance + (own_mean - mean).square())) / count
        normal = batch_norm(values, mean, variance, weight, bias, training=False, eps=eps)
        ctx.save_for_backward(values, mean, torch.rsqrt(variance + eps), weight, count)
        ctx.over, ctx.shape = over, shape
        unbiased = variance * count / (count - 1).clamp_min(1)
        ctx.mark_non_differentiable(mean, unbiased)
        return normal, mean, unbiased

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, asked: Tensor, *_: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None, None]:
        values, mean, scale, weight, count = ctx.saved_tensors
        centred = values - mean.view(ctx.shape)
        of_bias, of_product = asked.sum(ctx.over), (asked * centred).sum(ctx.over)
        everyone = _sum_over_ranks(torch.cat([of_bias, of_product])) / count
        all_bias, all_product = everyone.chunk(2)
        pull = centred.mul_((scale.square() * all_product).view(ctx.shape))
        gradient = (asked - all_bias.view(ctx.shape)).sub_(pull)
        gradient.mul_((scale if weight is None else scale * weight).view(ctx.shape))
        return gradient, None if weight is None else of_product * scale, None if weight is None else of_bias, None


def _sum_over_ranks(tensor: Tensor) -> Tensor:
    dist.all_reduce(tensor)
    return tensor


def _var_mean(values: Tensor, over: list[int]) -> tuple[Tensor, Tensor]:
    """Biased variance and mean; zeros on a rank whose part of a batch is empty, where they count for nothing."""
    if not values.numel():
        return values.new_zeros(values.shape[1]), values.new_zeros(values.shape[1])
    return torch.var_mean(values, over, correction=0)
