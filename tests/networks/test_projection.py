"""Layers, lengths and precision of the projection head."""

from __future__ import annotations

import pytest
import torch

from medcl.networks.projection import Projection


def test_the_defaults_are_the_public_codes() -> None:
    head = Projection(512)
    linears = [m for m in head.layers if isinstance(m, torch.nn.Linear)]
    assert [(m.in_features, m.out_features) for m in linears] == [(512, 512), (512, 256)]
    assert [m.p for m in head.layers if isinstance(m, torch.nn.Dropout)] == [0.1, 0.1]


def test_embeddings_have_length_one_in_training_and_in_evaluation() -> None:
    head = Projection(32, hidden=16, out=8)
    for mode in (True, False):
        embeddings = head.train(mode)(torch.randn(5, 32))
        assert embeddings.shape == (5, 8)
        torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(5))


def test_evaluation_draws_nothing_and_training_drops() -> None:
    head, features = Projection(32, dropout=0.5), torch.randn(4, 32)
    assert not torch.equal(head.train()(features), head(features))
    assert torch.equal(head.eval()(features), head(features))


def test_no_dropout_is_possible() -> None:
    head, features = Projection(32, dropout=0.0).train(), torch.randn(4, 32)
    assert torch.equal(head(features), head(features))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_precision_of_the_result(dtype: torch.dtype) -> None:
    assert Projection(8).to(dtype)(torch.randn(2, 8, dtype=dtype)).dtype == dtype


def test_lengths_are_exact_under_bf16_autocast() -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        embeddings = Projection(64)(torch.randn(6, 64) * 1e4)
    assert embeddings.dtype == torch.float32
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(6))
