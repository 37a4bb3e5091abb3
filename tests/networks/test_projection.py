"""Layers, lengths and precision of the projection head."""

from __future__ import annotations

import json

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


def test_names_of_saved_weights_stay() -> None:
    """Runs of earlier versions hold these names, and cards with features and out alone."""
    names = ["layers.0.weight", "layers.0.bias", "layers.3.weight", "layers.3.bias"]
    assert list(Projection(**{"features": 16, "out": 8}).state_dict()) == names


def test_first_weights_stay_those_of_earlier_versions() -> None:
    torch.manual_seed(0)
    head = Projection(16, 12, 8)
    torch.manual_seed(0)
    linears = [torch.nn.Linear(16, 12), torch.nn.Linear(12, 8)]
    assert torch.equal(head.layers[0].weight, linears[0].weight)
    assert torch.equal(head.layers[3].weight, linears[1].weight)


def test_more_layers_are_an_option() -> None:
    head = Projection(16, hidden=[12, 10], out=8, dropout=0.0)
    shapes = [type(layer).__name__ for layer in head.layers if not isinstance(layer, torch.nn.Dropout)]
    assert shapes == ["Linear", "ReLU", "Linear", "ReLU", "Linear"]
    assert [tuple(weight.shape) for weight in head.parameters() if weight.ndim == 2] == [(12, 16), (10, 12), (8, 10)]


@pytest.mark.parametrize("hidden", [12, (12, 10)])
def test_its_shape_builds_it_again_after_a_file(hidden: int | tuple[int, ...]) -> None:
    head = Projection(16, hidden, 8, dropout=0.2).eval()
    again = Projection(**json.loads(json.dumps(head.shape))).eval()
    again.load_state_dict(head.state_dict())
    features = torch.randn(3, 16)
    assert torch.equal(again(features), head(features))
    assert again.shape == head.shape


def test_without_hidden_widths_it_is_linear() -> None:
    torch.manual_seed(0)
    head = Projection(5, hidden=(), out=3, dropout=0.0)
    assert sum(isinstance(module, torch.nn.Linear) for module in head.modules()) == 1
    features = torch.randn(4, 5)
    linear = features @ head.layers[0].weight.T + head.layers[0].bias
    torch.testing.assert_close(head(features), linear / linear.norm(dim=1, keepdim=True))
    assert Projection(**head.shape).state_dict().keys() == head.state_dict().keys()
