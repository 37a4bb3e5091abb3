"""Known answers of PatchNCE, an independent slow reference, and the walls: no gradient to keys, none across images."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from medcl.losses.cross_entropy_dice import UNLABELLED
from medcl.losses.patch_nce import patch_nce

Loss = Callable[[Tensor, Tensor], Tensor]


def embeddings(*shape: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(*shape, generator=generator, dtype=torch.float64) for _ in range(2))


def slow_reference(
    queries: list[list[float]], keys: list[list[float]], temperature: float, organs: list[int] | None = None
) -> list[float]:
    """Equation 11 for each position of one image, in plain Python."""

    def cosine(first: list[float], second: list[float]) -> float:
        product = sum(a * b for a, b in zip(first, second, strict=True))
        return product / math.hypot(*first) / math.hypot(*second)

    losses = []
    for place, query in enumerate(queries):
        weights = [math.exp(cosine(query, key) / temperature) for key in keys]
        if organs is not None and organs[place] not in (0, UNLABELLED):
            for other, organ in enumerate(organs):
                weights[other] *= other == place or organ != organs[place]
        losses.append(-math.log(weights[place] / sum(weights)))
    return losses


def test_known_answers_of_256_patches() -> None:
    equal, orthonormal = torch.ones(2, 256, 4), torch.eye(256, dtype=torch.float64).expand(2, 256, 256)
    assert patch_nce(equal, equal).tolist() == pytest.approx([5.545177] * 2, abs=1e-5)
    assert patch_nce(orthonormal, orthonormal).tolist() == pytest.approx([1.5933e-4] * 2, rel=1e-3)
    assert patch_nce(orthonormal, orthonormal.roll(1, dims=1)).tolist() == pytest.approx([14.285874] * 2, abs=1e-5)


@pytest.mark.parametrize("temperature", [0.07, 0.5])
@pytest.mark.parametrize("organs", [None, [[0, 1, 1, 2, 0, 255, 255], [2, 2, 2, 2, 2, 2, 2]]])
def test_agrees_with_the_slow_reference(temperature: float, organs: list[list[int]] | None) -> None:
    queries, keys = embeddings(2, 7, 5)
    labels = None if organs is None else torch.tensor(organs)
    expected = [
        slow_reference(queries[i].tolist(), keys[i].tolist(), temperature, organs and organs[i]) for i in range(2)
    ]
    means, sums = (patch_nce(queries, keys, temperature, labels, how) for how in ("mean", "sum"))
    assert means.tolist() == pytest.approx([sum(each) / 7 for each in expected], abs=1e-12)
    assert sums.tolist() == pytest.approx([sum(each) for each in expected], abs=1e-12)


def test_the_defaults_are_the_papers_temperature_and_the_codes_mean() -> None:
    queries, keys = embeddings(2, 5, 4)
    assert torch.equal(patch_nce(queries, keys), patch_nce(queries, keys, 0.07, None, "mean"))
    assert not torch.allclose(patch_nce(queries, keys), patch_nce(queries, keys, 0.1))


def key_gradient(loss: Loss) -> float:
    queries, keys = (each.requires_grad_() for each in embeddings(2, 6, 4))
    loss(queries, keys).sum().backward()
    assert queries.grad.any()
    return 0.0 if keys.grad is None else keys.grad.abs().max().item()


def attached(queries: Tensor, keys: Tensor) -> Tensor:
    """The twin whose keys learn too."""
    q, k = (torch.nn.functional.normalize(each, dim=2) for each in (queries, keys))
    target = torch.arange(q.shape[1]).expand(len(q), -1)
    return cross_entropy((q @ k.transpose(1, 2) / 0.07).transpose(1, 2), target, reduction="none").mean(dim=1)


def test_the_keys_get_no_gradient() -> None:
    assert key_gradient(patch_nce) == 0


def test_keys_that_learn_are_noticed() -> None:
    queries, keys = embeddings(2, 6, 4)
    torch.testing.assert_close(attached(queries, keys), patch_nce(queries, keys))  # by value alone it would pass
    assert key_gradient(attached) > 1e-3


def reach_of_image_two(loss: Loss) -> float:
    """How far the first image's loss moves when the second's patches change."""
    queries, keys = embeddings(2, 6, 4)
    changed_queries, changed_keys = queries.clone(), keys.clone()
    changed_queries[1], changed_keys[1] = embeddings(6, 4, seed=1)
    return (loss(queries, keys)[0] - loss(changed_queries, changed_keys)[0]).abs().item()


def across_images(queries: Tensor, keys: Tensor) -> Tensor:
    """The twin whose negatives are the patches of the whole batch."""
    shape = queries.shape
    whole = patch_nce(queries.reshape(1, -1, shape[2]), keys.reshape(1, -1, shape[2]))
    return whole.expand(len(queries))


def test_changing_image_two_leaves_the_loss_of_image_one() -> None:
    assert reach_of_image_two(patch_nce) == 0


def test_negatives_of_other_images_are_noticed() -> None:
    assert reach_of_image_two(across_images) > 1e-3


def test_an_images_loss_is_the_same_in_any_batch_and_any_order() -> None:
    queries, keys = embeddings(3, 6, 4)
    losses = patch_nce(queries, keys)
    torch.testing.assert_close(patch_nce(queries[1:2], keys[1:2]), losses[1:2])
    torch.testing.assert_close(patch_nce(queries[[2, 0, 1]], keys[[2, 0, 1]]), losses[[2, 0, 1]])
    places = torch.randperm(6)
    torch.testing.assert_close(patch_nce(queries[:, places], keys[:, places]), losses)


def test_patches_of_one_organ_are_no_negatives() -> None:
    """All embeddings equal, so that a patch's loss is the logarithm of how many patches are compared."""
    equal = torch.ones(1, 8, 3)
    organs = torch.tensor([[1, 1, 1, 2, 2, 0, 0, UNLABELLED]])
    compared = [6, 6, 6, 7, 7, 8, 8, 8]  # background and unknown patches keep all
    expected = sum(math.log(number) for number in compared)
    assert patch_nce(equal, equal, organs=organs, reduction="sum").item() == pytest.approx(expected, abs=1e-5)
    assert patch_nce(equal, equal, reduction="sum").item() == pytest.approx(8 * math.log(8), abs=1e-5)


def test_alike_patches_of_one_organ_are_left_in_peace() -> None:
    queries, keys = (each.clone().requires_grad_() for each in embeddings(1, 4, 3))
    organs = torch.tensor([[3, 3, 3, 3]])
    loss = patch_nce(queries, keys, organs=organs)
    loss.sum().backward()
    assert loss.item() == 0
    assert not queries.grad.any()


def test_gradcheck() -> None:
    queries, keys = embeddings(2, 4, 3)
    organs = torch.tensor([[1, 1, 0, 2], [0, 0, 2, 2]])
    queries.requires_grad_()
    for labels in (None, organs):
        assert torch.autograd.gradcheck(lambda q, labels=labels: patch_nce(q, keys, 0.5, labels), (queries,))


@pytest.mark.parametrize("scale", [0.0, 1.0, 1e30])
@pytest.mark.parametrize("temperature", [0.07, 1e-4])
def test_finite_in_bf16_at_extreme_logits(scale: float, temperature: float) -> None:
    queries, keys = ((each * scale).to(torch.bfloat16) for each in embeddings(2, 8, 16))
    queries.requires_grad_()
    organs = torch.tensor([[1, 1, 0, 2, 2, 0, 3, 1]] * 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = patch_nce(queries, keys, temperature, organs)
    losses.mean().backward()
    assert losses.dtype == torch.float32
    assert torch.isfinite(losses).all()
    assert torch.isfinite(queries.grad).all()
    expected = patch_nce(queries.detach().double(), keys.double(), temperature, organs)
    torch.testing.assert_close(losses.double(), expected, atol=1e-5 / temperature, rtol=1e-5)


def test_keys_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"queries \(2, 6, 4\) and keys \(1, 6, 4\)"):
        patch_nce(torch.rand(2, 6, 4), torch.rand(1, 6, 4))
