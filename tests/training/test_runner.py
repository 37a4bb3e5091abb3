from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from training_toy import CPU, ToyBatch, ToyMethod, ToySource, settings

from medcl.study.errors import RunFailed
from medcl.training.health import effective_rank, spread
from medcl.training.precision import Precision
from medcl.training.runner import StepRunner
from medcl.training.step import Step


class TwoWeights(nn.Module):
    """Weights a and b, an optimizer each; b's loss also reaches a, and is 2 a b."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Parameter(torch.tensor(1.0)), nn.Parameter(torch.tensor(1.0))
        self.seen: list[float] = []
        self.after: list[tuple[int, int]] = []

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        return {"one": [self.a], "two": [self.b]}

    def steps(self, batch: Any) -> Iterator[Step]:
        yield Step("one", self.a * batch.volumes.sum())
        self.seen.append(self.a.item())
        yield Step("two", 2 * self.a * self.b)

    def after_step(self, epoch: int, step: int) -> None:
        self.after.append((epoch, step))


def batch(value: float = 1.0) -> ToyBatch:
    return ToyBatch(torch.tensor([value]), torch.zeros(1), ["P1"])


def runner(method: Any, **changed: Any) -> StepRunner:
    return StepRunner(
        method, settings(**{"warmup_epochs": 0.0, "epochs": 1, "clip": None, "momentum": 0.0, **changed}), CPU
    )


def test_each_optimizer_steps_on_its_own_gradient_before_the_next_loss() -> None:
    method = TwoWeights()
    runner(method, lr=0.1).run(batch(), 0, 0, 1, step=6)
    assert method.seen == [pytest.approx(0.9)]
    assert method.a.item() == pytest.approx(0.9), "the second loss must not move the first optimizer's weight"
    assert method.b.item() == pytest.approx(1 - 0.1 * 2 * 0.9)
    assert method.after == [(0, 7)]


def test_gradient_left_by_another_loss_is_not_stepped_on() -> None:
    method = TwoWeights()
    run = runner(method, lr=0.1)
    run.run(batch(), 0, 0, 2, 0)
    left = method.a.grad
    assert left is not None
    assert left.item() != 1
    before = method.a.item()
    run.run(batch(), 0, 1, 2, 1)
    assert before - method.a.item() == pytest.approx(0.1 * 0.5 * 1)  # cosine at half the run: factor 0.5


@pytest.mark.parametrize(("clip", "step"), [(None, 4.0), (1.0, 1.0), (10.0, 4.0)])
def test_clipping_bounds_the_gradient(clip: float | None, step: float) -> None:
    method = TwoWeights()
    run = runner(method, lr=1.0, clip=clip)
    run.run(batch(4.0), 0, 0, 1, 0)
    assert 1 - method.a.item() == pytest.approx(step, rel=1e-5)
    assert run.sums.means()["grad_norm_one"] == 4, "the norm before clipping is what is logged"


def test_sums_hold_total_and_each_optimizers_loss() -> None:
    run = runner(TwoWeights(), lr=0.1)
    run.run(batch(), 0, 0, 1, 0)
    assert run.sums.means() == pytest.approx(
        {"loss": 1 + 1.8, "loss_one": 1, "loss_two": 1.8, "grad_norm_one": 1, "grad_norm_two": 1.8}
    )
    assert run.learning_rates() == {"lr_one": 0.1, "lr_two": 0.1}


def test_embeddings_are_looked_at_every_tenth_batch() -> None:
    run = runner(ToyMethod())
    counts = []
    data = next(ToySource().batches(ToySource().epoch(0), 0))
    for index in range(11):
        run.run(data, 0, index, 11, index)
        run.check()
        counts.append(run.sums.state_dict()["counts"]["spread"])
    assert counts == [1] * 10 + [2]


def test_embeddings_are_looked_at_when_numbers_are_read_and_not_within_a_step() -> None:
    """Singular values make the host wait for a GPU; what comes out is the same."""

    class Keeps(ToyMethod):
        def steps(self, batch: ToyBatch) -> Iterator[Step]:
            for step in super().steps(batch):
                if step.embeddings is not None:
                    seen.append(step.embeddings.detach())
                yield step

    seen: list[Tensor] = []
    run = runner(Keeps())
    plans = ToySource().epoch(0)
    for index, data in enumerate(ToySource().batches(plans[:2], 0)):
        run.run(data, 0, 10 * index, 11, index)
    assert "spread" not in run.sums.means()
    run.check()
    means = run.sums.means()
    assert means["spread"] == pytest.approx(sum(float(spread(z)) for z in seen) / 2)
    assert means["effective_rank"] == pytest.approx(sum(float(effective_rank(z)) for z in seen) / 2)
    run.check()
    assert run.sums.means() == means, "nothing is counted twice"


def test_not_finite_loss_is_told_with_its_place_when_checked() -> None:
    run = runner(TwoWeights())
    run.run(batch(math.inf), 0, 2, 5, step=7)
    with pytest.raises(RunFailed, match=r"loss of step 8 \(epoch 1, batch 3 of 5\) is inf"):
        run.check()


def test_steps_run_in_the_precision_and_backward_outside_of_it() -> None:
    class Asks(ToyMethod):
        def steps(self, batch: ToyBatch) -> Iterator[Step]:
            inside.append(torch.is_autocast_enabled("cpu"))
            loss = self.head(self.encoder(batch.volumes)).square().mean()
            loss.register_hook(lambda gradient: inside.append(torch.is_autocast_enabled("cpu")))
            yield Step("head", loss)

    data = next(ToySource().batches(ToySource().epoch(0), 0))
    for precision, expected in (("fp32", [False, False]), ("bf16", [True, False])):
        inside: list[bool] = []
        runner(Asks(), precision=precision).run(data, 0, 0, 1, 0)
        assert inside == expected


def with_scaler(method: Any) -> StepRunner:
    """fp16's gradient scaler, which torch also has for the CPU, in fp32."""
    run = runner(method, lr=0.1)
    run.scaler = Precision("fp16", "cpu").scaler()
    return run


def test_scaled_step_equals_the_unscaled_one_and_an_overflow_is_skipped() -> None:
    method = TwoWeights()
    run = with_scaler(method)
    run.run(batch(), 0, 0, 2, 0)
    assert (method.a.item(), method.b.item()) == (pytest.approx(0.9), pytest.approx(1 - 0.18))
    scale = run.state_dict()["scaler"]["scale"]
    before = method.a.item()
    run.run(batch(1e36), 0, 1, 2, 1)  # times 65,536 it is infinite
    run.check()
    assert method.a.item() == before
    assert run.state_dict()["scaler"]["scale"] == scale / 2
    other = with_scaler(TwoWeights())
    other.load_state_dict(run.state_dict())
    assert other.state_dict()["scaler"] == run.state_dict()["scaler"]


def test_gradients_that_overflow_for_good_end_the_run() -> None:
    class Overflows(TwoWeights):
        def steps(self, batch: Any) -> Iterator[Step]:
            yield Step("one", self.a.clamp(max=1e30) * Infinite.apply(self.a))

    class Infinite(torch.autograd.Function):
        @staticmethod
        def forward(context: Any, value: Tensor) -> Tensor:
            return value.clone()

        @staticmethod
        def backward(context: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
            return gradient * math.inf

    run = with_scaler(Overflows())
    for index in range(26):
        run.check()
        run.run(batch(), 0, index, 40, index)
    run.run(batch(), 0, 26, 40, 26)
    with pytest.raises(RunFailed, match="overflows in fp16"):
        run.check()
