"""How many images pass the encoder at a time, so that a step fits into memory: `--micro-batch auto`.

What autograd keeps for an image is counted over passes of a copy of the encoder, at the real size and in the run's
precision, and compared with the memory that is free. On a GPU the number is then tried, with as much memory taken away
as the rest of the training will need, and halved until it passes; a CPU is not tried, since a system that runs out of
memory may end the process without a word.
"""

from __future__ import annotations

import copy
import socket
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef

from medcl.study.errors import BadInput, RunFailed
from medcl.training.checkpoint import content_bytes
from medcl.training.device_memory import device_memory
from medcl.training.distributed import gather_objects, rank, shard_sizes, world_size
from medcl.training.gathered_norm import gather_norms
from medcl.training.method import Method
from medcl.training.out_of_memory import is_out_of_memory, out_of_memory_told
from medcl.training.precision import Precision, resolve_precision
from medcl.training.randomness import untouched_randomness
from medcl.training.settings import TrainingSettings
from medcl.training.words import size

SAFE_SHARE = {"cpu": 0.5, "cuda": 0.9}
"""Of the free memory, for what autograd keeps. On CPUs a step's peak came to 0.7 to 1.7 times of what is kept (3D
ResNets and the ViT, fp32 and bf16), the rest being gradients of intermediate results; steps in the parts that are
chosen so took 71 to 85% of the free memory. On GPUs the number is tried."""

BATCH_COPIES = {"cpu": 6, "cuda": 3}
"""Batches that lie in memory beside the encoder's results: on CPUs three that are read ahead, the one in use and two
while it is augmented; on GPUs the last three of them."""

OPTIMIZER_STATES = {"sgd": 1, "adam": 2, "adamw": 2, "lars": 1}
"""Numbers that an optimizer keeps for each weight."""

FLOAT = 4
"""Bytes of a voxel in a batch."""


@dataclass(frozen=True)
class MicroBatch:
    """A choice, the same on all ranks.

    Attributes:
        images: that pass the encoder at a time; None is all of them.
        of: images of a step on the rank that has most.
        kept: bytes that autograd keeps for an image.
        free: bytes of memory on the rank that has least.
    """

    images: int | None
    of: int
    kept: int
    free: int

    def sentence(self) -> str:
        """Return the choice in words."""
        chosen = "all" if self.images is None else str(self.images)
        whose = "" if world_size() == 1 else " on each process"
        text = (
            f"--micro-batch auto: {chosen} of a step's {self.of} images{whose} pass the encoder at a time "
            f"({size(self.kept)} an image, {size(self.free)} of memory free)."
        )
        if self.images is not None and self.images * self.kept > self.free:
            text += " Even that may be too much for this memory: a smaller --size of `medcl preprocess` needs less."
        return text


def choose_micro_batch(
    method: Method,
    image: tuple[int, ...],
    images: int,
    settings: TrainingSettings,
    device: torch.device,
    *,
    held: int = 0,
) -> MicroBatch:
    """Find how many images can pass the method's encoder at a time.

    The method, its buffers and all random states stay as they are. With several ranks all of them must call this.

    Args:
        method: as it will be trained.
        image: (C, D, H, W) of an image.
        images: of the largest batch, over all ranks.
        settings: of the training.
        device: where it will be trained.
        held: bytes that will stay on the device beside the batches, such as volumes that are kept there.

    Raises:
        BadInput: the device does not tell its memory.
        RunFailed: memory ran out with the fewest images that can pass.
    """
    memory = device_memory(device)
    if memory is None:
        raise BadInput(f"--micro-batch auto: {device.type} does not tell how much memory is free; give a number.")
    free = memory.free // _sharers(device)
    precision = resolve_precision(settings.precision, device)
    share = shard_sizes(images)[0]
    taken = held + BATCH_COPIES[device.type] * share * _bytes(image)
    taken += _weights_taken(method, settings, precision, device)
    already = {"micro_batch": 1, "precision": precision.name}
    with untouched_randomness(device), out_of_memory_told(device, lambda: "measuring for --micro-batch auto", already):
        encoder = copy.deepcopy(method.encoder).to(device).train()
        if device.type == "cpu":
            gather_norms(encoder, device)  # the CPU's twin keeps more than torch's own norm
        kept, least = kept_for_an_image(encoder, image, precision, device)
        fitting = int(SAFE_SHARE[device.type] * max(0, free - taken)) // max(1, kept)
        fitting = max(least, min(fitting, share))
        if device.type == "cuda":
            fitting = _tried(encoder, image, fitting, least, precision, device, taken)
            del encoder
            torch.cuda.empty_cache()
    everyone = gather_objects((fitting, free))
    fewest, least_free = (min(numbers) for numbers in zip(*everyone, strict=True))
    return MicroBatch(_evenly(fewest, share, least), share, kept, least_free)


def kept_for_an_image(
    encoder: nn.Module, image: tuple[int, ...], precision: Precision, device: torch.device
) -> tuple[int, int]:
    """Return the bytes that autograd keeps for each image of a pass, and the fewest images that can pass.

    The fewest are 2 where a batch norm meets a single voxel, else 1.
    """
    least = 1
    try:
        fewer = _kept(encoder, torch.zeros(least, *image, device=device), precision)
    except ValueError:  # torch's batch norm refuses one value a channel
        least = 2
        fewer = _kept(encoder, torch.zeros(least, *image, device=device), precision)
    return _kept(encoder, torch.zeros(least + 1, *image, device=device), precision) - fewer, least


def _kept(encoder: nn.Module, volumes: Tensor, precision: Precision) -> int:
    """Bytes of all storages that autograd keeps in a pass; counted as they come, and not kept in truth."""
    seen: dict[StorageWeakRef, int] = {}

    def count(tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        # the reference keeps its address from being used again
        seen[StorageWeakRef(storage)] = storage.nbytes()  # type: ignore[no-untyped-call]

    with torch.autograd.graph.saved_tensors_hooks(count, _never), precision.autocast():
        encoder(volumes)
    return sum(seen.values())


def _never(nothing: Any) -> Tensor:
    raise RuntimeError("a pass that was only counted cannot go backward")


def _tried(
    encoder: nn.Module,
    image: tuple[int, ...],
    images: int,
    least: int,
    precision: Precision,
    device: torch.device,
    taken: int,
) -> int:
    """Halve `images` until they pass forward and backward beside `taken` bytes."""
    while not _passes(encoder, (images, *image), precision, device, taken):
        if images <= least:
            raise RunFailed(
                f"--micro-batch auto: not even {least} of the images, {' '.join(map(str, image[1:]))} voxels (z y x), "
                f"can pass the encoder in {precision.name} beside the batch. Use --precision bf16 where it is not, a "
                "smaller --network, a smaller --size of `medcl preprocess`, or a smaller --batch-size."
            )
        images = max(least, images // 2)
    return images


def _passes(encoder: nn.Module, shape: tuple[int, ...], precision: Precision, device: torch.device, taken: int) -> bool:
    encoder.zero_grad(set_to_none=True)
    try:
        ballast = torch.empty(taken, dtype=torch.uint8, device=device)
        with precision.autocast():
            features = encoder(torch.zeros(shape, device=device))
        features.float().sum().backward()
        del ballast
        return True
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        return False


def _weights_taken(method: Method, settings: TrainingSettings, precision: Precision, device: torch.device) -> int:
    """Bytes that weights will yet take: gradients, the optimizers' numbers, copies in half precision, and themselves
    where they are not on the device.
    """
    copies = 1.0 + OPTIMIZER_STATES[settings.optimizer]
    copies += 0.5 * (precision.name != "fp32") + 1.0 * (device.type != "cpu")
    return int(copies * content_bytes(dict(method.state_dict())))


def _sharers(device: torch.device) -> int:
    """How many ranks live on this rank's memory."""
    chip = str(torch.cuda.get_device_properties(device).uuid) if device.type == "cuda" else ""
    everyone = gather_objects((socket.gethostname(), chip))
    return everyone.count(everyone[rank()])


def _bytes(image: tuple[int, ...]) -> int:
    return FLOAT * int(torch.Size(image).numel())


def _evenly(fitting: int, share: int, least: int) -> int | None:
    """The size of equal parts of at most `fitting` images; None when one part is enough.

    A batch is cut as evenly as can be, so the smallest part has one image less: where single images cannot pass,
    parts are made larger until it has two.
    """
    if fitting >= share:
        return None
    parts = -(-share // fitting)
    while parts > 1 and share // parts < least:
        parts -= 1
    return None if parts == 1 else -(-share // parts)
