"""Soft assignments by hand, what they must not depend on, and prototypes that survive saving."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import Tensor

from medcl.networks.cluster_head import Assign, ClusterHead
from medcl.study.errors import BadInput

ASSIGNS: tuple[Assign, ...] = ("cosine", "euclidean")


def fixed(assign: Assign, prototypes: Tensor, scale: float = 1.0, most: int = 4) -> ClusterHead:
    head = ClusterHead(prototypes.shape[1], most, assign)
    head.fix(prototypes, scale)
    return head


class RawProduct(ClusterHead):
    """The public code's fault: a dot product where the paper has the cosine."""

    def _cosines(self, h: Tensor) -> Tensor:
        return h @ self.prototypes[: self.clusters].T


def test_cosine_by_hand() -> None:
    head = fixed("cosine", torch.tensor([[2.0, 0.0], [0.0, 7.0]]))
    h = torch.tensor([[3.0, 4.0]])  # cosines 0.6 and 0.8, at T 0.1 logits 6 and 8
    second = 1 / (1 + math.exp(-2))
    assert head(h)[0].tolist() == pytest.approx([1 - second, second, 0, 0], abs=1e-6)
    assert second == pytest.approx(0.880797, abs=1e-6)
    assert head.distances(h)[0].tolist() == pytest.approx([0.4, 0.2], abs=1e-6)


def test_euclidean_by_hand() -> None:
    head = fixed("euclidean", torch.tensor([[0.0, 0.0], [3.0, 0.0]]), scale=10)
    h = torch.tensor([[1.0, 1.0]])  # squares 2 and 5, over 0.1 * 10
    first = 1 / (1 + math.exp(-3))
    assert head(h)[0].tolist() == pytest.approx([first, 1 - first, 0, 0], abs=1e-6)
    assert first == pytest.approx(0.952574, abs=1e-6)
    assert head.distances(h)[0].tolist() == pytest.approx([math.sqrt(2), math.sqrt(5)], abs=1e-6)


@pytest.mark.parametrize("assign", ASSIGNS)
def test_temperature_is_an_option(assign: Assign) -> None:
    torch.manual_seed(0)
    prototypes, h, sharpest = torch.randn(3, 6), torch.randn(9, 6), []
    for temperature in (0.1, 1.0):
        head = ClusterHead(6, 4, assign, temperature)
        head.fix(prototypes, 5.0)
        sharpest.append(head(h).amax(dim=1))
    assert (sharpest[0] > sharpest[1]).all()


@pytest.mark.parametrize("assign", ASSIGNS)
def test_prototypes_are_assigned_to_themselves(assign: Assign) -> None:
    torch.manual_seed(0)
    prototypes = torch.randn(4, 16)
    head = fixed(assign, prototypes, most=7)
    assert head(prototypes).argmax(dim=1).tolist() == [0, 1, 2, 3]
    torch.testing.assert_close(head.distances(prototypes).diagonal(), torch.zeros(4), atol=1e-6, rtol=0)


@pytest.mark.parametrize("assign", ASSIGNS)
def test_rows_are_probabilities_with_zeros_beyond_the_clusters(assign: Assign) -> None:
    torch.manual_seed(0)
    head = fixed(assign, torch.randn(3, 6), scale=4.0, most=8)
    soft = head(torch.randn(10, 6))
    assert soft.shape == (10, 8)
    torch.testing.assert_close(soft.sum(dim=1), torch.ones(10))
    assert (soft[:, 3:] == 0).all()
    assert (soft[:, :3] > 0).all()


@pytest.mark.parametrize("assign", ASSIGNS)
def test_the_likeliest_is_the_nearest(assign: Assign) -> None:
    torch.manual_seed(0)
    head, h = fixed(assign, torch.randn(4, 6), scale=4.0), torch.randn(50, 6)
    assert torch.equal(head(h).argmax(dim=1), head.distances(h).argmin(dim=1))


def length_matters(head: ClusterHead) -> bool:
    torch.manual_seed(0)
    head.fix(torch.randn(3, 6), 1.0)
    h = torch.randn(8, 6)
    return not all(torch.allclose(head(h * by), head(h), atol=1e-5) for by in (1e-3, 0.5, 100.0))


def test_the_cosine_does_not_depend_on_the_features_length() -> None:
    assert not length_matters(ClusterHead(6, 4))


@pytest.mark.parametrize("scale", [0.0, 1e-28, 1e30])
def test_finite_for_features_of_any_length(scale: float) -> None:
    torch.manual_seed(0)
    head, h = fixed("cosine", torch.randn(3, 6)), torch.randn(4, 6)
    expected = head(h) if scale else torch.tensor([1 / 3] * 3 + [0]).expand(4, 4)
    scaled = (h * scale).requires_grad_()
    soft = head(scaled)
    soft[:, 0].sum().backward()
    torch.testing.assert_close(soft, expected)
    assert torch.isfinite(scaled.grad).all()


def test_a_raw_product_is_noticed() -> None:
    assert length_matters(RawProduct(6, 4))


def test_euclidean_depends_on_the_length_but_not_on_the_features_unit() -> None:
    """Features and prototypes times ten and the scale times a hundred: the assignments stay."""
    torch.manual_seed(0)
    prototypes, h = torch.randn(3, 6), torch.randn(8, 6)
    soft = fixed("euclidean", prototypes, 4.0)(h)
    torch.testing.assert_close(fixed("euclidean", 10 * prototypes, 400.0)(10 * h), soft, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(fixed("euclidean", 10 * prototypes, 4.0)(10 * h), soft, atol=1e-2)
    assert length_matters(ClusterHead(6, 4, "euclidean"))


@pytest.mark.parametrize("assign", ASSIGNS)
def test_half_precision_is_raised_before_anything_is_computed(assign: Assign) -> None:
    torch.manual_seed(0)
    head, h = fixed(assign, torch.randn(3, 64), scale=50.0), torch.randn(20, 64).to(torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        soft, distances = head(h), head.distances(h)
    assert soft.dtype == distances.dtype == torch.float32
    assert torch.equal(soft, head(h.float()))
    assert torch.equal(distances, head.distances(h.float()))
    assert head(h.double()).dtype == torch.float64


@pytest.mark.parametrize("assign", ASSIGNS)
def test_gradients_go_through_the_features(assign: Assign) -> None:
    torch.manual_seed(0)
    head, h = fixed(assign, torch.randn(3, 4), scale=40.0).double(), torch.randn(3, 4, dtype=torch.float64)
    assert torch.autograd.gradcheck(head, (h.requires_grad_(),))
    assert list(head.parameters()) == []


def test_before_they_are_fixed_there_is_nothing_to_assign_to() -> None:
    head = ClusterHead(6, 4)
    assert head.clusters == 0
    for ask in (head, head.distances):
        with pytest.raises(RuntimeError, match="not fixed yet"):
            ask(torch.randn(2, 6))


def test_the_count_comes_back_with_the_state() -> None:
    saved, fresh = fixed("euclidean", torch.randn(3, 6), 2.5), ClusterHead(6, 4, "euclidean")
    outer = torch.nn.ModuleDict({"head": fresh})
    outer.load_state_dict({f"head.{name}": value for name, value in saved.state_dict().items()})
    h = torch.randn(5, 6)
    assert fresh.clusters == 3
    assert torch.equal(fresh(h), saved(h))
    saved.load_state_dict(ClusterHead(6, 4, "euclidean").state_dict())
    assert saved.clusters == 0
    again = copy.deepcopy(fresh)
    again.load_state_dict(ClusterHead(6, 4).state_dict())
    assert (again.clusters, fresh.clusters) == (0, 3)


def test_a_buffer_that_was_written_from_outside_is_counted_on_demand() -> None:
    head, other = ClusterHead(6, 4), fixed("cosine", torch.randn(2, 6))
    for mine, theirs in zip(head.buffers(), other.buffers(), strict=True):
        mine.copy_(theirs)
    head.recount()
    assert head.clusters == 2


def test_fewer_prototypes_replace_more() -> None:
    head, fewer = fixed("cosine", torch.randn(4, 6)), torch.randn(2, 6)
    head.fix(fewer, 3.0)
    assert torch.equal(head.prototypes, torch.cat([fewer, torch.zeros(2, 6)]))
    assert (head.clusters, int(head.count), float(head.scale)) == (2, 2, 3.0)


@pytest.mark.parametrize(
    ("assign", "prototypes", "scale", "words"),
    [
        ("cosine", torch.ones(5, 6), 1.0, ["(5, 6)", "1 to 4"]),
        ("cosine", torch.ones(0, 6), 1.0, ["(0, 6)", "1 to 4"]),
        ("cosine", torch.ones(2, 5), 1.0, ["(2, 5)", "6 features"]),
        ("cosine", torch.full((2, 6), math.nan), 1.0, ["no numbers"]),
        ("cosine", torch.eye(2, 6).mul(torch.tensor([[1.0], [0.0]])), 1.0, ["length 0", "--assign euclidean"]),
        ("euclidean", torch.eye(2, 6), 0.0, ["is 0", "--assign cosine"]),
        ("euclidean", torch.eye(2, 6), math.nan, ["is nan", "--assign cosine"]),
    ],
)
def test_what_nothing_can_be_assigned_to_is_refused(
    assign: Assign, prototypes: Tensor, scale: float, words: list[str]
) -> None:
    head = ClusterHead(6, 4, assign)
    with pytest.raises(BadInput) as refused:
        head.fix(prototypes, scale)
    assert all(word in str(refused.value) for word in words), str(refused.value)
    assert head.clusters == int(head.count) == 0
