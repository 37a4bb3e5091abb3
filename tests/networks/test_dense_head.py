"""The head of 1x1 convolutions: unit cells, and no cell sees another."""

from __future__ import annotations

import torch

from medcl.networks.dense_head import DenseHead


def test_cells_have_length_one_in_float32() -> None:
    head = DenseHead(6, out=5)
    with torch.autocast("cpu", torch.bfloat16):
        embeddings = head(torch.rand(2, 6, 1, 3, 4))
    assert embeddings.shape == (2, 5, 1, 3, 4)
    assert embeddings.dtype == torch.float32
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(2, 1, 3, 4))
    assert head.double()(torch.rand(2, 6, 1, 3, 4).double()).dtype == torch.float64


def test_each_cell_is_projected_by_itself() -> None:
    head, features = DenseHead(6), torch.rand(2, 6, 2, 3, 4)
    other = features.clone()
    other[:, :, 1, 2, 3] += 1
    changed = (head(features) - head(other)).abs().amax(dim=1) > 0
    expected = torch.zeros(2, 2, 3, 4, dtype=torch.bool)
    expected[:, 1, 2, 3] = True
    assert torch.equal(changed, expected)


def test_the_paper_has_two_layers_of_1x1_convolutions() -> None:
    weights = [tuple(weight.shape) for weight in DenseHead(6).parameters() if weight.ndim > 1]
    assert weights == [(6, 6, 1, 1, 1), (128, 6, 1, 1, 1)]
