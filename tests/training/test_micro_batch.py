"""How many images pass the encoder at a time: counted on known networks, chosen by the memory that there is."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from training_toy import CPU

from medcl.study.errors import BadInput, RunFailed
from medcl.training import micro_batch as module
from medcl.training.checkpoint import content_checksum
from medcl.training.distributed import rank
from medcl.training.host_memory import Memory
from medcl.training.micro_batch import (
    BATCH_COPIES,
    OPTIMIZER_STATES,
    SAFE_SHARE,
    choose_micro_batch,
    kept_for_an_image,
)
from medcl.training.precision import Precision
from medcl.training.settings import OPTIMIZERS, TrainingSettings
from tests.training.ranks import in_ranks

IMAGE = (1, 4, 8, 8)
VOXELS = math.prod(IMAGE)
FP32 = Precision("fp32", "cpu")
SETTINGS = TrainingSettings(precision="fp32", epochs=1, warmup_epochs=0)


class Scale(nn.Module):
    """Multiplies each voxel by a weight of its own; autograd keeps what came in."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(IMAGE))

    def forward(self, volumes: Tensor) -> Tensor:
        return volumes * self.weight


class Method(nn.Module):
    """A method, as far as the choice looks at it."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder


def scales(count: int) -> nn.Module:
    """A network of which autograd keeps `count` volumes an image."""
    return nn.Sequential(*[Scale() for _ in range(count)], nn.Flatten())


def normed() -> nn.Module:
    """A network with a batch norm and dropout."""
    return nn.Sequential(nn.Conv3d(1, 4, 3), nn.BatchNorm3d(4), nn.ReLU(), nn.Dropout(0.5), nn.Flatten())


def memory(monkeypatch: pytest.MonkeyPatch, free: float) -> None:
    """Let the device have so many bytes free."""
    monkeypatch.setattr(module, "device_memory", lambda device: Memory(int(free), 1 << 40))


def needed(network: nn.Module, images: int, of: int) -> float:
    """The free memory for which `images` of `of` are just thought to fit."""
    weights = sum(4 * parameter.numel() for parameter in network.parameters())
    beside = 2 * weights + BATCH_COPIES["cpu"] * of * 4 * VOXELS  # gradients and momenta, batches
    kept, _ = kept_for_an_image(network, IMAGE, FP32, CPU)
    return beside + images * kept / SAFE_SHARE["cpu"]


def choose(network: nn.Module, of: int = 12, settings: TrainingSettings = SETTINGS, device: Any = CPU) -> Any:
    return choose_micro_batch(Method(network), IMAGE, of, settings, device)


@pytest.mark.parametrize("count", [1, 3])
def test_known_networks_keep_what_they_must(count: int) -> None:
    assert kept_for_an_image(scales(count), IMAGE, FP32, CPU) == (count * 4 * VOXELS, 1)


def test_what_is_kept_by_two_operations_counts_once() -> None:
    class Twice(Scale):
        def forward(self, volumes: Tensor) -> Tensor:
            return volumes * self.weight + volumes * (2 * self.weight)

    assert kept_for_an_image(Twice(), IMAGE, FP32, CPU)[0] == 4 * VOXELS


def test_half_precision_keeps_less() -> None:
    network = nn.Sequential(nn.Conv3d(1, 4, 3), nn.Conv3d(4, 4, 3, padding=1), nn.Flatten())
    whole, half = (kept_for_an_image(network, IMAGE, Precision(name, "cpu"), CPU)[0] for name in ("fp32", "bf16"))
    assert half == pytest.approx(whole / 2, rel=0.01)


def test_networks_that_cannot_take_a_single_image_are_measured_with_more() -> None:
    network = nn.Sequential(nn.AdaptiveAvgPool3d(1), nn.BatchNorm3d(1), nn.Flatten())
    assert kept_for_an_image(network, IMAGE, FP32, CPU)[1] == 2
    assert kept_for_an_image(normed(), IMAGE, FP32, CPU)[1] == 1


def test_all_pass_at_once_where_memory_is_plenty(monkeypatch: pytest.MonkeyPatch) -> None:
    memory(monkeypatch, 1 << 40)
    choice = choose(scales(2))
    assert choice.images is None
    assert "all of a step's 12 images" in choice.sentence()


@pytest.mark.parametrize(("fitting", "chosen"), [(12, None), (11, 6), (6, 6), (5, 4), (1, 1), (0, 1)])
def test_less_memory_gives_smaller_and_even_parts(
    monkeypatch: pytest.MonkeyPatch, fitting: int, chosen: int | None
) -> None:
    network = scales(3)
    memory(monkeypatch, needed(network, fitting, 12) + 1)
    assert choose(network).images == chosen


def test_parts_are_never_smaller_than_a_batch_norm_can_take(monkeypatch: pytest.MonkeyPatch) -> None:
    network = nn.Sequential(scales(1)[0], nn.AdaptiveAvgPool3d(1), nn.BatchNorm3d(1), nn.Flatten())
    memory(monkeypatch, 0)
    assert choose(network, of=12).images == 2
    assert choose(network, of=5).images == 3  # parts of 3 and 2
    assert choose(network, of=3).images is None


def test_too_little_for_one_image_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    memory(monkeypatch, 0)
    assert "Even that may be too much" in choose(scales(1)).sentence()
    memory(monkeypatch, needed(scales(1), 3, 12))
    assert "Even that" not in choose(scales(1)).sentence()


def test_an_optimizer_that_keeps_more_leaves_less(monkeypatch: pytest.MonkeyPatch) -> None:
    network = scales(3)
    memory(monkeypatch, needed(network, 6, 12) + 1)
    adam = TrainingSettings(precision="fp32", epochs=1, warmup_epochs=0, optimizer="adam")
    assert choose(network, settings=adam).images < choose(network).images


def test_what_stays_on_the_device_leaves_less(monkeypatch: pytest.MonkeyPatch) -> None:
    network = scales(3)
    memory(monkeypatch, needed(network, 6, 12) + 1)
    held = int(needed(network, 6, 12) - needed(network, 4, 12))
    assert choose_micro_batch(Method(network), IMAGE, 12, SETTINGS, CPU, held=held).images == 4


def test_nothing_of_the_run_is_touched() -> None:
    network = normed().eval()
    weights, state = content_checksum(dict(network.state_dict())), torch.get_rng_state()
    choose(network)
    assert content_checksum(dict(network.state_dict())) == weights
    assert torch.equal(torch.get_rng_state(), state)
    assert not any(part.training for part in network.modules())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_the_fewest_of_all_ranks_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    network = scales(2)
    memory(monkeypatch, needed(network, 8, 12) + 1)

    def with_a_smaller_rank(item: Any) -> list[Any]:
        other = ("another host", "") if isinstance(item[0], str) else (3, 1000)
        return [item, other]

    monkeypatch.setattr(module, "gather_objects", with_a_smaller_rank)
    choice = choose(network)
    assert (choice.images, choice.free) == (3, 1000)


def test_ranks_of_one_host_share_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    memory(monkeypatch, 1 << 20)
    monkeypatch.setattr(module, "gather_objects", lambda item: [item, item])
    assert choose(scales(2)).free == 1 << 19


def test_a_device_that_does_not_tell_its_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "device_memory", lambda device: None)
    with pytest.raises(BadInput, match="--micro-batch auto: cpu does not tell"):
        choose(scales(1))


def test_a_try_takes_the_rest_of_the_training_into_account() -> None:
    network = scales(2)
    assert module._passes(network, (4, *IMAGE), FP32, CPU, taken=1000)
    assert not module._passes(network, (4, *IMAGE), FP32, CPU, taken=1 << 60)


def test_a_number_that_does_not_pass_is_halved(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []

    def passes(encoder: Any, shape: tuple[int, ...], *_: Any) -> bool:
        tried.append(shape[0])
        return shape[0] <= 3

    monkeypatch.setattr(module, "_passes", passes)
    assert module._tried(scales(1), IMAGE, 12, 1, FP32, CPU, 0) == 3
    assert tried == [12, 6, 3]
    with pytest.raises(RunFailed, match="not even 4 of the images, 4 8 8 voxels"):
        module._tried(scales(1), IMAGE, 12, 4, FP32, CPU, 0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_what_is_chosen_passes_and_memory_is_given_back() -> None:
    device = torch.device("cuda")
    before = torch.cuda.memory_allocated(device)
    choice = choose_micro_batch(Method(normed()), (1, 64, 128, 128), 20_000, SETTINGS, device)
    assert choice.images is not None
    assert torch.cuda.memory_allocated(device) == before
    network = normed().to(device)
    network(torch.zeros(choice.images, 1, 64, 128, 128, device=device)).sum().backward()


def test_memory_that_runs_out_while_counting_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hungry(Scale):
        def forward(self, volumes: Tensor) -> Tensor:
            return torch.empty(1 << 60)

    with pytest.raises(RunFailed, match="Out of memory at measuring for --micro-batch auto") as error:
        choose(Hungry())
    assert "--size" in str(error.value)


def choice_of_a_rank(free: float) -> Any:
    """The choice where the second rank has as much memory as is given and the first has plenty."""
    module.device_memory = lambda device: Memory(int(2 * free) if rank() else 1 << 40, 1 << 40)
    choice = choose(normed(), of=25)
    return choice, choice.sentence()


@pytest.mark.ddp
def test_ranks_agree_on_what_the_poorest_can_do(tmp_path: Path) -> None:
    (one, told), (other, _) = in_ranks(2, choice_of_a_rank, tmp_path, needed(normed(), 4, 13))
    assert one == other
    assert "of a step's 13 images on each process" in told
    assert one.of == 13, "the larger of the two shares"
    assert one.images is not None
    assert one.images <= 4


def test_the_memory_of_every_optimizer_is_known() -> None:
    assert set(OPTIMIZER_STATES) == set(OPTIMIZERS)
