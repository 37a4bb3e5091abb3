"""Rows and batch norms of several ranks are those of one process, in value and in gradient."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from medcl.losses.nt_xent import nt_xent
from medcl.training import gather
from medcl.training.distributed import average_gradients, own_rows, rank
from medcl.training.gather import gather_rows
from medcl.training.gathered_norm import GatheredBatchNorm, gather_norms
from tests.training.ranks import in_ranks

pytestmark = pytest.mark.ddp

CPU = torch.device("cpu")


def rows(count: int) -> Tensor:
    return torch.randn(count, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(count))


def own(batch: Tensor) -> Tensor:
    """This rank's share."""
    return batch[own_rows(len(batch))]


def loss_of(network: nn.Module, batch: Tensor) -> Tensor:
    """Three losses of the whole batch: of views, of images against texts, of places against other images' places."""
    features = network(own(batch))
    z = gather_rows(features, len(batch))
    assert len(z) == len(batch)
    views = nt_xent(z[0::2], z[1::2]).mean()
    texts = gather_rows(own(batch)[:, :4] ** 2, len(batch))  # a second encoder, without weights
    pairs, itself = z @ texts.T, torch.arange(len(batch))
    image_text = cross_entropy(pairs, itself) + cross_entropy(pairs.T, itself)
    places = gather_rows(features.view(-1, 2, 2), len(batch))
    others = torch.einsum("acx,bcy->abxy", places, places).flatten(2).amax(2)
    return views + image_text + others[~torch.eye(len(batch), dtype=torch.bool)].exp().mean().log()


def contrast(count: int, broken: str) -> dict[str, Tensor]:
    """Loss and averaged gradients of a network with a batch norm on a shared batch."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 4)).double()
    if broken != "norm":
        gather_norms(network, CPU)
    if broken == "gradient":
        gather._Gather.backward = staticmethod(lambda ctx, gradient: (torch.zeros_like(gradient[ctx.own]), None))
    if broken == "own gradient only":
        gather._Gather.backward = staticmethod(lambda ctx, gradient: (gradient[ctx.own], None))
    loss = loss_of(network, rows(count))
    loss.backward()
    if broken != "average":
        average_gradients(list(network.parameters()))
    gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
    return {"loss": loss.detach(), **gradients, **dict(network.named_buffers())}


def differing(one: dict[str, Tensor], other: dict[str, Tensor]) -> list[str]:
    assert one.keys() == other.keys()
    return [
        name for name in one if not torch.allclose(one[name].double(), other[name].double(), rtol=1e-10, atol=1e-12)
    ]


@pytest.mark.parametrize(("count", "world"), [(8, 2), (10, 3)], ids=["equal shares", "unequal shares"])
def test_ranks_have_the_loss_and_gradients_of_one_process(tmp_path: Path, count: int, world: int) -> None:
    (alone,) = in_ranks(1, contrast, tmp_path / "one", count, "")
    for of_rank in in_ranks(world, contrast, tmp_path / "many", count, ""):
        assert not differing(alone, of_rank)


@pytest.mark.parametrize("broken", ["norm", "gradient", "own gradient only", "average"])
def test_a_broken_exchange_is_noticed(tmp_path: Path, broken: str) -> None:
    """The twin: each part of the exchange, left out, shows in the same comparison."""
    (alone,) = in_ranks(1, contrast, tmp_path / "one", 8, "")
    assert any(differing(alone, of_rank) for of_rank in in_ranks(2, contrast, tmp_path / "many", 8, broken))


def wrong_share() -> str:
    try:
        gather_rows(torch.zeros(3, 2), 4)
    except ValueError as error:
        return str(error)
    return ""


def half() -> Tensor:
    return gather_rows(torch.full((1, 2), rank() + 1.0, dtype=torch.bfloat16), 2)


def test_a_wrong_share_is_refused_and_half_precision_comes_back_in_float32(tmp_path: Path) -> None:
    told = in_ranks(2, wrong_share, tmp_path / "wrong")
    assert told == ["rank 0 gave 3 of 4 rows, expected 2", "rank 1 gave 3 of 4 rows, expected 2"]
    for found in in_ranks(2, half, tmp_path / "half"):
        assert found.dtype == torch.float32
        assert found.tolist() == [[1, 1], [2, 2]]


def test_one_process_keeps_its_rows_and_norms() -> None:
    batch = rows(4)
    network = nn.Sequential(nn.BatchNorm1d(5))
    gather_norms(network, CPU)
    assert gather_rows(batch, 4) is batch
    assert type(network[0]) is nn.BatchNorm1d


@pytest.mark.parametrize("momentum", [0.1, None])
@pytest.mark.parametrize("affine", [True, False])
def test_the_twin_is_torchs_batch_norm(monkeypatch: pytest.MonkeyPatch, momentum: float | None, affine: bool) -> None:
    """Alone, where nothing is exchanged, the twin computes what torch computes, training and evaluating."""
    monkeypatch.setattr("medcl.training.gathered_norm._sum_over_ranks", lambda tensor: tensor)
    theirs = nn.BatchNorm3d(3, momentum=momentum, affine=affine).double()
    ours = GatheredBatchNorm(3, momentum=momentum, affine=affine).double()
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        images = torch.randn(4, 3, 2, 5, 6, dtype=torch.float64, generator=generator) * 3 + 1
        one, other = images.clone().requires_grad_(), images.clone().requires_grad_()
        theirs(one).square().mul(images).sum().backward()
        ours(other).square().mul(images).sum().backward()
        torch.testing.assert_close(other.grad, one.grad, rtol=1e-9, atol=1e-11)
    for (name, a), (_, b) in zip(theirs.named_buffers(), ours.named_buffers(), strict=True):
        torch.testing.assert_close(b, a, msg=name)
    torch.testing.assert_close(ours.eval()(images), theirs.eval()(images))
