from __future__ import annotations

import math

import pytest
import torch

from medcl.training.health import CollapseWatch, effective_rank, spread


def test_spread_of_equal_opposite_and_orthogonal_directions() -> None:
    assert spread(torch.ones(5, 3) * torch.arange(1, 6)[:, None]).item() == pytest.approx(0, abs=1e-6)
    assert spread(torch.tensor([[1.0, 0], [-2, 0]])).item() == pytest.approx(1)
    assert spread(torch.eye(4)).item() == pytest.approx(math.sqrt(3 / 4))


def test_effective_rank_of_known_singular_values() -> None:
    assert effective_rank(torch.ones(6, 4)).item() == pytest.approx(1, abs=1e-4)
    assert effective_rank(torch.eye(5, 8)).item() == pytest.approx(5, rel=1e-5)
    # three rows along one axis and one along another: singular values sqrt(3) and 1
    share = math.sqrt(3) / (math.sqrt(3) + 1)
    entropy = -share * math.log(share) - (1 - share) * math.log(1 - share)
    rows = torch.tensor([[1.0, 0], [2, 0], [3, 0], [0, 1]])
    assert effective_rank(rows).item() == pytest.approx(math.exp(entropy), rel=1e-5)


def test_both_ignore_the_lengths_and_the_order_of_the_embeddings() -> None:
    data = torch.randn(16, 8, generator=torch.Generator().manual_seed(0))
    other = (data * torch.linspace(0.1, 9, 16)[:, None]).flip(0)
    assert spread(other).item() == pytest.approx(spread(data).item(), rel=1e-5)
    assert effective_rank(other).item() == pytest.approx(effective_rank(data).item(), rel=1e-5)


HEALTHY = {"loss": 0.3, "spread": 0.8, "effective_rank": 20.0}


@pytest.mark.parametrize(
    ("sign", "words"),
    [({"spread": 0.01}, "nearly all equal"), ({"effective_rank": 1.05}, "nearly on one line")],
)
def test_signs_of_collapse_are_warned_about_once_after_the_warmup(sign: dict[str, float], words: str) -> None:
    watch = CollapseWatch(warmup=2)
    assert watch.warnings(1, {**HEALTHY, **sign}, 0.75) == []
    assert watch.warnings(2, HEALTHY, 0.75) == []
    (text,) = watch.warnings(3, {**HEALTHY, **sign}, 0.75)
    assert text.startswith("Epoch 4: ")
    assert words in text
    assert watch.warnings(4, {**HEALTHY, **sign}, 0.75) == []


def test_loss_is_stuck_only_when_it_stays_at_the_collapse_value() -> None:
    watch = CollapseWatch(warmup=0)
    at = {**HEALTHY, "loss": 0.752}
    assert watch.warnings(0, at, 0.75) == []
    assert watch.warnings(1, HEALTHY, 0.75) == []
    assert watch.warnings(2, at, 0.75) == []
    (text,) = watch.warnings(3, at, 0.75)
    assert "stays at what equal embeddings give (0.7500)" in text


def test_methods_without_embeddings_or_collapse_value_are_never_warned_about() -> None:
    watch = CollapseWatch(warmup=0)
    assert [watch.warnings(epoch, {"loss": 0.0}, None) for epoch in range(4)] == [[]] * 4


def test_state_carries_what_was_told_and_how_long_the_loss_was_stuck() -> None:
    """A watch that goes on from another's state says what that one would; the twin, which does not, says other."""
    epochs = [{**HEALTHY, "loss": 0.75, "spread": 0.01}, {**HEALTHY, "loss": 0.75, "spread": 0.01}]
    whole = CollapseWatch(warmup=0)
    first, second = (whole.warnings(epoch, means, 0.75) for epoch, means in enumerate(epochs))
    before = CollapseWatch(warmup=0)
    assert before.warnings(0, epochs[0], 0.75) == first
    resumed, twin = CollapseWatch(warmup=0), CollapseWatch(warmup=0)
    resumed.load_state_dict(before.state_dict())
    assert resumed.warnings(1, epochs[1], 0.75) == second != []
    assert twin.warnings(1, epochs[1], 0.75) != second
