"""Parts of a batch in two passes give the whole batch's embeddings and gradients."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from medcl.losses.nt_xent import nt_xent
from medcl.methods.embedder import EVALUATION_IMAGES, Embedder
from medcl.networks.projection import Projection

VOLUMES = torch.rand(10, 1, 6, 8, 8, generator=torch.Generator().manual_seed(1))


def embedder(encoder: nn.Module, micro_batch: int | None, *, norms: bool, dropout: float = 0.0) -> Embedder:
    torch.manual_seed(3)
    made = Embedder(copy.deepcopy(encoder), Projection(8, hidden=8, out=6, dropout=dropout), micro_batch)
    if not norms:
        made.encoder[1] = nn.Identity()
    return made.train()


def gradients(module: Embedder) -> list[torch.Tensor]:
    torch.manual_seed(7)
    z = module(VOLUMES)
    nt_xent(z[0::2], z[1::2]).mean().backward()
    return [z.detach(), *(p.grad.clone() for p in module.parameters())]


@pytest.mark.parametrize("micro_batch", [1, 3, 10, 50])
def test_without_batch_norm_nothing_depends_on_the_parts(small_encoder: nn.Module, micro_batch: int) -> None:
    whole = gradients(embedder(small_encoder, None, norms=False))
    parts = gradients(embedder(small_encoder, micro_batch, norms=False))
    for a, b in zip(whole, parts, strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5)


def test_the_heads_dropout_is_drawn_for_the_whole_batch(small_encoder: nn.Module) -> None:
    whole = gradients(embedder(small_encoder, None, norms=False, dropout=0.5))
    parts = gradients(embedder(small_encoder, 4, norms=False, dropout=0.5))
    for a, b in zip(whole, parts, strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5)


def test_running_averages_count_every_image_once(small_encoder: nn.Module) -> None:
    module = embedder(small_encoder, 4, norms=True)
    gradients(module)
    expected = embedder(small_encoder, None, norms=True)
    with torch.no_grad():
        for part in torch.tensor_split(VOLUMES, 3):  # of equal size, at most 4
            expected(part)
    for (name, a), (_, b) in zip(module.named_buffers(), expected.named_buffers(), strict=True):
        torch.testing.assert_close(a, b, msg=name)
    assert module.encoder[1].momentum == 0.1


def test_intermediate_results_of_one_part_only_are_kept(small_encoder: nn.Module) -> None:
    kept = {}
    for micro_batch in (None, 2):
        module = embedder(small_encoder, micro_batch, norms=True)
        module.projection = nn.Identity()  # the head keeps its own, some numbers an image
        saved: list[int] = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t, s=saved: s.append(t.numel()) or t, lambda t: t):
            module(VOLUMES)
        kept[micro_batch] = sum(saved)
    assert kept[2] == VOLUMES.numel() < kept[None], "only what went in is kept"


def test_evaluation_goes_in_parts_and_gives_the_same(small_encoder: nn.Module) -> None:
    module = embedder(small_encoder, None, norms=True).eval()
    many = torch.rand(EVALUATION_IMAGES + 3, 1, 6, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(module(many), module.projection(module.encoder(many)), atol=1e-6, rtol=1e-5)
