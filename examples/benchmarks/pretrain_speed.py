"""How fast medcl pretrains, beside what the device could do and beside a plain loop of the same network.

Synthetic volumes are read, augmented and trained on by medcl's own steps, with the kidney paper's protocol: batches of
explicit pairs, or twice as many volumes with all pairs among them. Beside them stand

- `plain`: the same network and loss in fp32 in torch's own memory layout; reads a batch, steps and reads the next, in
  one thread of Python, without augmentation;
- the device's own rates: a large matrix product, and forward and backward of a 3x3x3 convolution of 64 channels as the
  network's first block has it, in the precision that medcl trains in. A training step counts three forward passes.

    python examples/benchmarks/pretrain_speed.py --json speed.json                            # the paper's size, a GPU
    python examples/benchmarks/pretrain_speed.py --quick --json speed.json                    # 2 CPU cores, minutes
    ... --batches 8 16 --sizes "24 32 32" "32 48 64" --processes 1 2                          # how it scales

With several processes the batch is shared (on the CPU the cores, too). Times are the median over the steps.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from synthetic_volumes import Size, synthetic_samples
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from medcl.data.augment import Augmentation
from medcl.data.loader import Loader
from medcl.data.plan import BatchPlan
from medcl.data.samples import Samples
from medcl.data.source import TaskSource
from medcl.data.task_options import TaskOptions
from medcl.data.tasks import build_task
from medcl.losses.cosine_pairs import cosine_pairs
from medcl.methods.build import MethodOptions, build_method
from medcl.networks.encoder import build_encoder
from medcl.networks.projection import Projection
from medcl.training.clock import DATA_WAIT, shares
from medcl.training.device import resolve_device
from medcl.training.distributed import own_rows
from medcl.training.launching.launch import launch
from medcl.training.precision import resolve_precision
from medcl.training.runner import StepRunner
from medcl.training.settings import TrainingSettings

WARM_UP = 2
"""Steps before the clock starts: the first ones choose algorithms and fill the buffers."""

TRAINING_PASSES = 3
"""A backward pass costs two forward passes."""

HEADINGS = (
    "kind",
    "network, size",
    "precision",
    "processes",
    "volumes a step",
    "s a step",
    "volumes/s",
    "pairs/s",
    "of convolution rate",
    "waiting",
    "where the time goes",
)

PAPER_EPOCHS, PAPER_PAIRS, IN_BATCH_VOLUMES = 60, 10_000, 21 * 96
"""The paper's schedule; medcl's in-batch epoch in volumes."""


@dataclass(frozen=True)
class Setting:
    """One row of the table; picklable, for several processes."""

    kind: Literal["plain", "sampled", "in-batch"]
    folder: Path
    patients: int
    size: Size
    network: str
    batch: int
    steps: int
    precision: str
    device: str
    micro_batch: int | None
    processes: int = 1


def measure(setting: Setting) -> dict[str, Any]:
    """Train some steps; return rates and where the time went."""
    if setting.processes > 1:
        return launch(_medcl, setting, processes=setting.processes, device=setting.device)
    return _plain(setting) if setting.kind == "plain" else _medcl(setting)


def _plans(setting: Setting, samples: Samples) -> tuple[Any, list[BatchPlan]]:
    pairs: Literal["sampled", "in-batch"] = "in-batch" if setting.kind == "in-batch" else "sampled"
    batch = setting.batch * (2 if pairs == "in-batch" else 1)  # as many volumes a step
    steps = WARM_UP + setting.steps
    options = TaskOptions(epochs=1, batch_size=batch, pairs=setting.batch * steps, steps=steps)
    task = build_task("variable", pairs, samples, options)
    return task, task.epoch(0)[:steps]


def _medcl(setting: Setting) -> dict[str, Any]:
    """Steps as the training loop takes them."""
    device = resolve_device(setting.device)
    samples = synthetic_samples(setting.folder, setting.patients, setting.size)
    task, plans = _plans(setting, samples)
    torch.manual_seed(0)
    options = MethodOptions(network=setting.network, micro_batch=setting.micro_batch)
    pairs: Any = "in-batch" if setting.kind == "in-batch" else "sampled"
    method = build_method("variable", pairs, samples.size, setting.batch, options)
    runner = StepRunner(method, TrainingSettings(epochs=1, precision=setting.precision), device)
    cache = torch.cuda.mem_get_info()[0] // 4 if device.type == "cuda" else 0
    source = TaskSource(task, Loader(samples, Augmentation(), 0, device, cache_bytes=cache), own_rows)
    method.train()
    seconds, began = [], 0.0
    for index, batch in enumerate(source.batches(plans, 0)):
        if index == WARM_UP:
            runner.clock.end_epoch()
            runner.clock.restart(source.waited)
            began = now(device)
        elif index > WARM_UP:
            runner.clock.fetched(source.waited)
        runner.run(batch, 0, index, len(plans), index)
        runner.check()
        if index >= WARM_UP:
            seconds.append(now(device) - began)
            began = now(device)
    parts = shares(runner.clock.end_epoch())
    return _row(setting, plans, seconds) | {"precision": runner.precision.name, "parts": parts}


def _plain(setting: Setting) -> dict[str, Any]:
    """The loop that one would write first."""
    device = resolve_device(setting.device)
    samples = synthetic_samples(setting.folder, setting.patients, setting.size)
    _, plans = _plans(setting, samples)
    torch.manual_seed(0)
    network = build_encoder(setting.network, setting.size).network
    for parameter in network.parameters():
        parameter.data = parameter.data.contiguous()
    model = nn.Sequential(network, Projection(512)).to(device).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-2, momentum=0.9)
    seconds = []
    for plan in plans:
        began = now(device)
        read = np.stack([samples.store.read(samples.entries[row]) for row in plan.rows])[:, None]
        z = model(torch.from_numpy(read).to(device))
        label = torch.from_numpy(plan.targets["label"]).to(device)
        loss = cosine_pairs(z[0::2], z[1::2], label).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()
        seconds.append(now(device) - began)
    return _row(setting, plans, seconds[WARM_UP:]) | {"precision": "fp32", "parts": None}


def _row(setting: Setting, plans: list[BatchPlan], seconds: list[float]) -> dict[str, Any]:
    step = statistics.median(seconds)
    label = plans[-1].targets["label"]
    pairs = len(label) if label.ndim == 1 else int((label >= 0).sum()) // 2
    volumes = len(plans[-1].rows)
    known = {name: value for name, value in asdict(setting).items() if name not in ("folder", "patients", "device")}
    return known | {
        "volumes_a_step": volumes,
        "seconds_a_step": step,
        "volumes_per_second": volumes / step,
        "pairs_per_second": pairs / step,
    }


def now(device: torch.device) -> float:
    """Seconds, when all queued work is done."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def forward_gflop(network: str, size: Size) -> float:
    """Operations of one volume's forward pass, in 10^9."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        build_encoder(network, size)(torch.empty(1, 1, *size))
    return float(counter.get_total_flops()) / 1e9


def matrix_rate(device: torch.device, kind: torch.dtype) -> float:
    """Rate of a large matrix product, in 10^9 operations a second."""
    side = 8192 if device.type == "cuda" else 2048
    a, b = (torch.randn(side, side, device=device, dtype=kind) for _ in range(2))
    return 2 * side**3 / _fastest(lambda: a @ b, device) / 1e9


def convolution_rate(device: torch.device, kind: torch.dtype, size: Size, images: int) -> float:
    """Rate of a 3x3x3 convolution of 64 channels, forward and backward, as the network's first block has it."""
    shape = [max(2, side // part) for side, part in zip(size, (2, 4, 4), strict=True)]
    conv = nn.Conv3d(64, 64, 3, padding=1, bias=False).to(device, kind).to(memory_format=torch.channels_last_3d)
    image = torch.randn(images, 64, *shape, device=device, dtype=kind).to(memory_format=torch.channels_last_3d)
    image.requires_grad_()
    aim = torch.ones_like(conv(image))
    seconds = _fastest(lambda: torch.autograd.grad(conv(image), [image, conv.weight], aim), device)
    return TRAINING_PASSES * 2 * images * float(np.prod(shape)) * 64 * 64 * 27 / seconds / 1e9


def _fastest(work: Any, device: torch.device) -> float:
    best = float("inf")
    for _ in range(6):
        began = now(device)
        work()
        best = min(best, now(device) - began)
    return best


def main() -> None:
    """Measure, print a table, write JSON."""
    arguments = _arguments()
    device = resolve_device(arguments.device)
    precision = resolve_precision(arguments.precision, device).name
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    with tempfile.TemporaryDirectory() as folder:
        rows = []
        for setting in _settings(arguments, Path(folder), precision):
            row = measure(setting)
            gflop = forward_gflop(setting.network, setting.size)
            ceiling = convolution_rate(device, kind, setting.size, min(8, 2 * setting.batch))
            row["gflops"] = row["volumes_per_second"] * gflop * TRAINING_PASSES
            row["convolution_gflops"] = ceiling
            devices = setting.processes if device.type == "cuda" else 1  # processes on the CPU share its cores
            row["share_of_convolution_rate"] = row["gflops"] / (ceiling * devices)
            rows.append(row)
            print_row(row, first=len(rows) == 1)
    result = {
        "date": str(date.today()),
        "command": "pretrain_speed.py " + " ".join(f"--{name} {value}" for name, value in vars(arguments).items()),
        "machine": torch.cuda.get_device_name() if device.type == "cuda" else platform.machine(),
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "matrix_gflops": matrix_rate(device, kind),
        "rows": rows,
        "schedules_in_hours": _schedules(rows),
    }
    print(json.dumps({name: value for name, value in result.items() if name != "rows"}, indent=2))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def _settings(arguments: argparse.Namespace, folder: Path, precision: str) -> list[Setting]:
    """The rows: the base three, then how medcl's explicit pairs scale."""
    base = Setting(
        kind="plain",
        folder=folder / "base",
        patients=arguments.patients,
        size=tuple(arguments.size),
        network=arguments.network,
        batch=arguments.batch,
        steps=arguments.steps,
        precision=precision,
        device=arguments.device,
        micro_batch=arguments.micro_batch,
    )
    rows = [base, replace(base, kind="sampled"), replace(base, kind="in-batch")]
    ours = rows[1]
    rows += [replace(ours, batch=batch) for batch in arguments.batches]
    sizes = [tuple(int(side) for side in size.split()) for size in arguments.sizes]
    rows += [replace(ours, size=size, folder=folder / "x".join(map(str, size))) for size in sizes]
    rows += [replace(ours, processes=processes) for processes in arguments.processes]
    return rows


def _schedules(rows: list[dict[str, Any]]) -> dict[str, float]:
    """What 60 epochs would take at the rates of the first explicit and in-batch rows."""
    volumes = {"sampled": PAPER_EPOCHS * 2 * PAPER_PAIRS, "in-batch": PAPER_EPOCHS * IN_BATCH_VOLUMES}
    first = {row["kind"]: row for row in reversed(rows)}
    return {kind: count / first[kind]["volumes_per_second"] / 3600 for kind, count in volumes.items()}


def print_row(row: dict[str, Any], first: bool) -> None:
    """Print a row of a Markdown table."""
    if first:
        print(f"| {' | '.join(HEADINGS)} |\n|" + "---|" * len(HEADINGS))
    parts = row["parts"] or {}
    told = ", ".join(f"{name} {share:.0%}" for name, share in parts.items() if share >= 0.005)
    waiting = f"{parts[DATA_WAIT]:.1%}" if parts else ""
    cells = [
        row["kind"],
        f"{row['network']}, {' '.join(map(str, row['size']))}",
        row["precision"],
        str(row["processes"]),
        str(row["volumes_a_step"]),
        f"{row['seconds_a_step']:.3f}",
        f"{row['volumes_per_second']:.1f}",
        f"{row['pairs_per_second']:.1f}",
        f"{row['share_of_convolution_rate']:.0%}",
        waiting,
        told,
    ]
    print(f"| {' | '.join(cells)} |", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, nargs=3, default=(96, 144, 192), metavar=("Z", "Y", "X"))
    parser.add_argument("--network", default="resnet18")
    parser.add_argument("--patients", type=int, default=80, help="two exams of each are written")
    parser.add_argument("--batch", type=int, default=48, help="explicit pairs a step; in-batch takes as many volumes")
    parser.add_argument("--micro-batch", type=int, default=None, help="volumes that pass the encoder at a time")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--batches", type=int, nargs="*", default=[], help="further batch sizes, in pairs")
    parser.add_argument("--sizes", nargs="*", default=[], help='further sizes, such as "32 48 64"')
    parser.add_argument("--processes", type=int, nargs="*", default=[], help="further numbers of processes")
    parser.add_argument("--quick", action="store_true", help="small volumes and a small network, for 2 CPU cores")
    parser.add_argument("--json", type=Path, default=None, help="also write the result to this file")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.size, arguments.network = (32, 48, 64), "resnet10"
        arguments.batch, arguments.patients, arguments.steps = 12, 40, 5
    return arguments


if __name__ == "__main__":
    main()
