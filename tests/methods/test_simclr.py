"""One step of SimCLR: views, logs, collapse value."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import nn

from medcl.data.loader import Batch
from medcl.losses.nt_xent import nt_xent
from medcl.methods.simclr import Simclr
from medcl.networks.projection import Projection

VOLUMES = torch.rand(8, 1, 6, 8, 8, generator=torch.Generator().manual_seed(1))


def method(encoder: nn.Module, temperature: float = 0.5, micro_batch: int | None = None) -> Simclr:
    torch.manual_seed(2)
    head = Projection(8, hidden=8, out=6, dropout=0.0)
    return Simclr(encoder, head, images=4, temperature=temperature, micro_batch=micro_batch).train()


def test_neighbours_are_the_two_views(make_batch: Callable[..., Batch], small_encoder: nn.Module) -> None:
    module = method(small_encoder)
    (step,) = module.steps(make_batch(VOLUMES))
    z = step.embeddings.detach()
    torch.testing.assert_close(step.loss, nt_xent(z[0::2], z[1::2], 0.5).mean())
    cosines = z @ z.T
    views = torch.arange(8) // 2
    same = (views[:, None] == views[None, :]) & ~torch.eye(8, dtype=torch.bool)
    other = views[:, None] != views[None, :]
    assert step.logs["positive_cosine"].item() == pytest.approx(cosines[same].mean().item(), abs=1e-6)
    assert step.logs["negative_cosine"].item() == pytest.approx(cosines[other].mean().item(), abs=1e-6)
    assert step.logs["pairs"].item() == 4


def test_the_collapse_value_is_the_loss_of_equal_embeddings(
    make_batch: Callable[..., Batch], small_encoder: nn.Module
) -> None:
    module = method(small_encoder)
    with torch.no_grad():
        result = module.eval().validate(make_batch(VOLUMES[:1].expand(8, -1, -1, -1, -1)))
    assert result["loss"].item() == pytest.approx(module.collapse_loss, abs=1e-5)
    assert module.collapse_loss == pytest.approx(math.log(7))
    assert result["weight"].item() == 8


def test_options_change_the_loss(make_batch: Callable[..., Batch], small_encoder: nn.Module) -> None:
    batch = make_batch(VOLUMES)
    losses = [
        next(iter(module.steps(batch))).loss.item()
        for module in (method(small_encoder), method(small_encoder, 0.1), method(small_encoder, 0.5, 2))
    ]
    assert len({round(loss, 5) for loss in losses}) == 3


def test_every_parameter_has_its_optimizer(small_encoder: nn.Module) -> None:
    module = method(small_encoder)
    (group,) = module.parameter_groups().values()
    assert {id(p) for p in group} == {id(p) for p in module.parameters()}
    assert module.encoder is small_encoder


def test_it_learns_to_recognise_an_image(make_batch: Callable[..., Batch], small_encoder: nn.Module) -> None:
    module = method(small_encoder)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(4, 1, 1, 1, 1, generator=generator) + torch.rand(4, 1, 6, 8, 8, generator=generator)
    losses = []
    for _ in range(40):
        views = images.repeat_interleave(2, dim=0) + 0.05 * torch.randn(8, 1, 6, 8, 8, generator=generator)
        for step in module.steps(make_batch(views)):
            optimizer.zero_grad()
            step.loss.backward()
            optimizer.step()
            losses.append(step.loss.item())
    assert losses[-1] < 0.8 * losses[0]
