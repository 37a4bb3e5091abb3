from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from medcl.training.lars import LARS


def weight(values: list[list[float]], dtype: torch.dtype = torch.float64) -> nn.Parameter:
    return nn.Parameter(torch.tensor(values, dtype=dtype))


def step(optimizer: LARS, parameter: nn.Parameter, gradient: list[list[float]]) -> None:
    parameter.grad = torch.tensor(gradient, dtype=parameter.dtype)
    optimizer.step()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_first_step_has_the_known_answer(dtype: torch.dtype) -> None:
    """|p| 5 and |g| 1: the trust is 0.001 x 5 / 1."""
    p = weight([[3, 4]], dtype)
    step(LARS([p], lr=1), p, [[0, 1]])
    assert p.dtype == dtype
    assert p.tolist() == [[3.0, pytest.approx(4 - 0.005, rel=1e-7)]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_three_steps_with_momentum_and_decay_are_those_of_the_paper(dtype: torch.dtype) -> None:
    """Algorithm 1 of the paper in plain numbers, with a learning rate that changes between the steps."""
    gradients, rates = [[0.5, -2.0], [1.0, 0.25], [-3.0, 0.5]], [1.0, 0.5, 2.0]
    momentum, decay, eta = 0.8, 0.1, 0.01
    values, velocity = [3.0, -4.0], [0.0, 0.0]
    p = weight([list(values)], dtype)
    optimizer = LARS([p], lr=7, momentum=momentum, weight_decay=decay, eta=eta)
    for gradient, rate in zip(gradients, rates, strict=True):
        optimizer.param_groups[0]["lr"] = rate
        step(optimizer, p, [gradient])
        trust = eta * math.hypot(*values) / (math.hypot(*gradient) + decay * math.hypot(*values))
        for i in (0, 1):
            velocity[i] = momentum * velocity[i] + rate * trust * (gradient[i] + decay * values[i])
            values[i] -= velocity[i]
        assert p.tolist()[0] == pytest.approx(values, rel=1e-6 if dtype == torch.float32 else 1e-13)


def test_a_step_follows_the_size_of_the_weights_and_not_that_of_the_gradient() -> None:
    def length(scale: float, slope: float) -> float:
        p = weight([[3 * scale, 4 * scale]])
        before = p.detach().clone()
        step(LARS([p], lr=1), p, [[0.0, slope]])
        return float((p.detach() - before).norm())

    assert length(1, 100) == pytest.approx(length(1, 0.01)) == pytest.approx(0.005)
    assert length(10, 1) == pytest.approx(0.05)


def test_biases_and_norms_move_as_by_sgd_without_decay() -> None:
    ours, theirs = (nn.Parameter(torch.tensor([3.0, 4.0])) for _ in range(2))
    scale = nn.Parameter(torch.tensor(2.0))
    mine = LARS([ours, scale], lr=0.1, momentum=0.9, weight_decay=0.5)
    sgd = torch.optim.SGD([theirs], lr=0.1, momentum=0.9)
    for gradient in ([1.0, 0.0], [0.5, -2.0], [0.0, 0.0]):
        ours.grad, theirs.grad = torch.tensor(gradient), torch.tensor(gradient)
        scale.grad = torch.zeros(())
        mine.step()
        sgd.step()
        assert torch.allclose(ours, theirs, rtol=1e-6)
    assert scale.item() == 2
    flat, wide = nn.Parameter(torch.tensor([3.0, 4.0])), weight([[3, 4]], torch.float32)
    other = LARS([flat, wide], lr=0.1)
    flat.grad, wide.grad = torch.tensor([0.0, 1.0]), torch.tensor([[0.0, 1.0]])
    other.step()
    assert not torch.equal(flat, wide[0]), "the same numbers as a weight of two dimensions are adapted"


def test_zero_gradients_and_zero_weights_have_a_trust_of_one() -> None:
    still = weight([[3, 4]])
    step(LARS([still], lr=1), still, [[0, 0]])
    assert still.tolist() == [[3, 4]]
    decayed = weight([[3, 4]])
    step(LARS([decayed], lr=0.1, weight_decay=0.1), decayed, [[0, 0]])
    assert decayed.tolist()[0] == pytest.approx([3 - 0.03, 4 - 0.04])
    born = weight([[0, 0]])
    step(LARS([born], lr=0.1, weight_decay=0.1), born, [[0, 1]])
    assert born.tolist()[0] == pytest.approx([0, -0.1])
    dead = weight([[0, 0]])
    step(LARS([dead], lr=0.1), dead, [[0, 0]])
    assert dead.tolist() == [[0, 0]]


def test_a_parameter_without_gradient_stays_with_its_velocity() -> None:
    frozen, moving = weight([[3, 4]]), weight([[3, 4]])
    optimizer = LARS([frozen, moving], lr=1, weight_decay=0.1)
    for parameter in (frozen, moving):
        parameter.grad = torch.tensor([[0.0, 1.0]], dtype=torch.float64)
    optimizer.step()
    place, velocity = frozen.detach().clone(), optimizer.state[frozen]["velocity"].clone()
    frozen.grad = None
    optimizer.step()
    assert torch.equal(frozen, place)
    assert torch.equal(optimizer.state[frozen]["velocity"], velocity)
    assert not torch.equal(moving, place)
    never = weight([[1, 1]])
    LARS([never], lr=1).step()
    assert never.tolist() == [[1, 1]]


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(64, 2))


def train(net: nn.Module, optimizer: LARS, steps: range) -> list[Tensor]:
    for number in steps:
        images = torch.randn(5, 1, 6, 6, generator=torch.Generator().manual_seed(number))
        optimizer.zero_grad()
        net(images).square().mean().backward()
        optimizer.step()
    return [parameter.detach().clone() for parameter in net.parameters()]


def test_a_saved_state_goes_on_bit_for_bit(tmp_path: Any) -> None:
    def fresh() -> tuple[nn.Sequential, LARS]:
        net = network()
        return net, LARS(net.parameters(), lr=0.5, weight_decay=1e-3)

    whole = train(*fresh(), range(6))
    net, optimizer = fresh()
    train(net, optimizer, range(3))
    torch.save([net.state_dict(), optimizer.state_dict()], tmp_path / "state.pt")
    weights, state = torch.load(tmp_path / "state.pt", weights_only=True)
    for broken in (False, True):
        net, optimizer = fresh()
        net.load_state_dict(weights)
        if not broken:
            optimizer.load_state_dict(state)
        same = [torch.equal(a, b) for a, b in zip(whole, train(net, optimizer, range(3, 6)), strict=True)]
        assert all(same) != broken, "the twin: a velocity that is not restored"


def test_a_group_has_its_own_numbers() -> None:
    one, two = weight([[3, 4]]), weight([[3, 4]])
    optimizer = LARS([{"params": [one]}, {"params": [two], "lr": 0.5, "eta": 0.01}], lr=1)
    for parameter in (one, two):
        parameter.grad = torch.tensor([[0.0, 1.0]], dtype=torch.float64)
    optimizer.step()
    assert 4 - one[0, 1].item() == pytest.approx(0.005)
    assert 4 - two[0, 1].item() == pytest.approx(0.5 * 0.05)


def test_a_closure_is_called_with_gradients() -> None:
    p = weight([[3, 4]])
    optimizer = LARS([p], lr=1)

    def closure() -> Tensor:
        loss = p[0, 1].clone()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 4
    assert p[0, 1].item() == pytest.approx(4 - 0.005)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_host_does_not_wait_for_a_gpu() -> None:
    net = network().cuda()
    optimizer = LARS(net.parameters(), lr=0.5, weight_decay=1e-3)
    net(torch.randn(5, 1, 6, 6).cuda()).square().mean().backward()
    optimizer.step()
    mode = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        optimizer.step()
    finally:
        torch.cuda.set_sync_debug_mode(mode)
