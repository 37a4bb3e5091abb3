"""Pairs per second of pretraining, explicit against in-batch, and how long a step waits for data.

Synthetic volumes are written as a volume store writes them (float16 .npy, one file an image), read ahead, augmented on
the device and trained on, with the paper's protocol: batches of 48 explicit pairs, or 96 volumes with all pairs among
them. The share of the device's own matrix rate tells how near to its limit the network runs: the forward pass'
operations, times three for a training step, over the rate of a large matrix product measured in the same run.

    python examples/benchmarks/pretrain_pairs.py --size 96 144 192 --json pairs.json          # a GPU
    python examples/benchmarks/pretrain_pairs.py --quick                                      # 2 CPU cores, minutes
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from medcl.data.augment import Augmentation
from medcl.data.loader import Batch, Loader
from medcl.data.samples import Samples
from medcl.data.task_options import TaskOptions
from medcl.data.tasks import build_task
from medcl.methods.build import MethodOptions, build_method
from medcl.networks.encoder import build_encoder

Sampling = Literal["sampled", "in-batch"]
SAMPLINGS: tuple[Sampling, ...] = ("sampled", "in-batch")

WARM_UP = 2
"""Steps before the clock starts: the first ones choose algorithms and fill the buffers."""

TRAINING_PASSES = 3
"""A backward pass costs two forward passes."""


@dataclass(frozen=True)
class Entry:
    """One synthetic image."""

    case: str
    patient: str
    exam: str
    file: Path
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float] = (1.5, 1.0, 1.0)
    sequence: str = ""


class Store:
    """Reads volumes as the volume store does: by memory map into a given buffer."""

    def __init__(self, entries: list[Entry]) -> None:
        self.entries = entries

    def read(self, entry: Entry, out: np.ndarray | None = None) -> np.ndarray:
        stored = np.load(entry.file, mmap_mode="r")
        out = np.empty(stored.shape, np.float32) if out is None else out
        np.copyto(out, stored)
        return out


def synthetic_samples(folder: Path, patients: int, size: tuple[int, int, int], seed: int) -> Samples:
    """Write two exams of each patient, brighter with the variable, and return them as training samples."""
    generator = np.random.default_rng(seed)
    values = generator.gamma(6, 8, patients)
    entries = []
    for patient in range(patients):
        for exam in ("D15", "M3"):
            volume = generator.random(size, np.float32) * 0.5 + values[patient] / 300
            case = f"P{patient:05d}_{exam}"
            np.save(folder / f"{case}.npy", volume.astype(np.float16))
            entries.append(Entry(case, f"P{patient:05d}", exam, folder / f"{case}.npy", size))
    return Samples(
        store=Store(entries),
        entries=list(entries),
        cases=np.array([entry.case for entry in entries]),
        patients=np.array([entry.patient for entry in entries]),
        exams=np.array([entry.exam for entry in entries]),
        sequences=np.array(["" for _ in entries]),
        splits=np.array(["train" for _ in entries]),
        values=np.repeat(values, 2),
        classes=None,
        variable="synthetic",
        label="synthetic",
        size=size,
    )


def measure(pairs: Sampling, samples: Samples, arguments: argparse.Namespace) -> dict[str, Any]:
    """Train some steps and return rates and shares."""
    device = torch.device(arguments.device)
    batch = arguments.batch if pairs == "sampled" else 2 * arguments.batch  # as many volumes a step
    steps = WARM_UP + arguments.steps
    options = TaskOptions(epochs=1, batch_size=batch, pairs=batch * steps, steps=steps)
    task = build_task("variable", pairs, samples, options)
    settings = MethodOptions(network=arguments.network, micro_batch=arguments.micro_batch)
    torch.manual_seed(0)
    method = build_method("variable", pairs, samples.size, batch, settings).to(device).train()
    optimizer = torch.optim.SGD(method.parameters(), lr=1e-2, momentum=0.9)
    bytes_of_cache = int(arguments.cache_gb * 2**30)
    loader = Loader(samples, Augmentation(), 0, device, workers=arguments.workers, cache_bytes=bytes_of_cache)
    plans = task.epoch(0)[:steps]
    volumes, counted, began, waited, augmented = 0, 0, 0.0, 0.0, 0.0
    for number, made in enumerate(loader.batches(plans, 0)):
        if number == WARM_UP:
            began, waited, augmented = now(device), loader.waited, loader.augmented
        train_step(method, optimizer, made, arguments.precision)
        if number >= WARM_UP:
            volumes += len(made.cases)
            counted += pairs_of(made)
    seconds = now(device) - began
    return {
        "pairs": pairs,
        "volumes_a_step": len(plans[-1].rows),
        "seconds_a_step": seconds / (len(plans) - WARM_UP),
        "volumes_per_second": volumes / seconds,
        "pairs_per_second": counted / seconds,
        "share_waiting": (loader.waited - waited) / seconds,
        "share_augmenting": (loader.augmented - augmented) / seconds,
    }


def train_step(method: Any, optimizer: torch.optim.Optimizer, batch: Batch, precision: str) -> None:
    """One step as the training loop takes it."""
    with torch.autocast(batch.volumes.device.type, torch.bfloat16, enabled=precision == "bf16"):
        steps = list(method.steps(batch))
    for step in steps:
        optimizer.zero_grad(set_to_none=True)
        step.loss.backward()
        torch.nn.utils.clip_grad_norm_(method.parameters(), 1.0)
        optimizer.step()


def pairs_of(batch: Batch) -> int:
    """How many pairs with a label the batch teaches with."""
    label = batch.plan.targets["label"]
    return len(label) if label.ndim == 1 else int((label >= 0).sum()) // 2


def now(device: torch.device) -> float:
    """Seconds, when all queued work is done."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def forward_gflop(network: str, size: tuple[int, int, int]) -> float:
    """Operations of one volume's forward pass, in 10^9."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        build_encoder(network, size)(torch.empty(1, 1, *size))
    return float(counter.get_total_flops()) / 1e9


def matrix_gflops(device: torch.device, precision: str) -> float:
    """Rate of a large matrix product, in 10^9 operations a second."""
    side = 8192 if device.type == "cuda" else 2048
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    a, b = (torch.randn(side, side, device=device, dtype=kind) for _ in range(2))
    best = float("inf")
    for _ in range(6):
        began = now(device)
        a @ b
        best = min(best, now(device) - began)
    return 2 * side**3 / best / 1e9


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, nargs=3, default=(96, 144, 192), metavar=("Z", "Y", "X"))
    parser.add_argument("--network", default="resnet18")
    parser.add_argument("--patients", type=int, default=80, help="two exams of each are written")
    parser.add_argument(
        "--batch", type=int, default=48, help="explicit pairs a step; in-batch takes twice as many volumes"
    )
    parser.add_argument("--micro-batch", type=int, default=None, help="volumes that go through the encoder at a time")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--cache-gb", type=float, default=0.0, help="keep the volumes on the device when they fit")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument(
        "--precision", choices=("fp32", "bf16"), default="bf16" if torch.cuda.is_available() else "fp32"
    )
    parser.add_argument("--quick", action="store_true", help="small volumes and a small network, for 2 CPU cores")
    parser.add_argument("--json", type=Path, default=None, help="also write the result to this file")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.size, arguments.network = (32, 48, 64), "resnet10"
        arguments.batch, arguments.patients, arguments.steps = 16, 40, 4
    device, size = torch.device(arguments.device), tuple(arguments.size)
    with tempfile.TemporaryDirectory() as folder:
        samples = synthetic_samples(Path(folder), arguments.patients, size, seed=0)
        rows = [measure(pairs, samples, arguments) for pairs in SAMPLINGS]
    rate, gflop = matrix_gflops(device, arguments.precision), forward_gflop(arguments.network, size)
    for row in rows:
        row["share_of_matrix_rate"] = row["volumes_per_second"] * gflop * TRAINING_PASSES / rate
    result = {
        "machine": torch.cuda.get_device_name()
        if device.type == "cuda"
        else platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "size_zyx": size,
        "network": arguments.network,
        "precision": arguments.precision,
        "forward_gflop": gflop,
        "matrix_gflop_per_second": rate,
        "rows": rows,
    }
    print_table(result)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")


def print_table(result: dict[str, Any]) -> None:
    """Print the rows as a Markdown table."""
    network = f"{result['network']} at {result['size_zyx']}, {result['precision']}"
    print(f"{result['machine']}, {result['threads']} threads, {network}")
    print("| pairs | volumes a step | s a step | volumes/s | pairs/s | waiting | augmenting | of matrix rate |")
    print("|---|---|---|---|---|---|---|---|")
    for row in result["rows"]:
        print(
            f"| {row['pairs']} | {row['volumes_a_step']} | {row['seconds_a_step']:.3f} "
            f"| {row['volumes_per_second']:.1f} | {row['pairs_per_second']:.1f} | {row['share_waiting']:.1%} "
            f"| {row['share_augmenting']:.1%} | {row['share_of_matrix_rate']:.1%} |"
        )


if __name__ == "__main__":
    main()
