"""The options that every training command shares: one set, one meaning."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationInfo, field_validator

from medcl.training.launching.address import Address
from medcl.training.settings import TrainingSettings
from medcl.workflows.options import Options, flag

RUN = "Run"
TRAINING = "Training"
NODES = "Several machines"


class TrainingOptions(Options):
    """Options of a training; the defaults are those of Milecki et al. (MIDL 2022)."""

    name: str | None = flag(
        None, "Name of the run; a telling one with the next free number unless told.", metavar="NAME", panel=RUN
    )
    resume: bool = flag(
        False, "Go on with a run that was stopped: the one of --name, or the newest that is unfinished.", panel=RUN
    )
    init_from: Path | None = flag(
        None,
        "A run, by its name or folder, or an encoder.safetensors, whose encoder weights the new run starts from.",
        metavar="RUN",
        panel=RUN,
    )
    overwrite: bool = flag(False, "Replace a run of the same --name.", panel=RUN)
    dry_run: bool = flag(
        False, "Check everything, run two steps, tell the time and memory to expect, and write nothing.", panel=RUN
    )
    config: Path | None = flag(
        None, "A settings file to read in place of the study's medcl.toml.", metavar="FILE", panel=RUN
    )

    epochs: int = flag(60, "Passes through the training plans.", ge=1, panel=TRAINING)
    batch_size: int | None = flag(
        None,
        "Pairs (sampled) or images (else) of a step; 48 unless told, 96 for --pairs in-batch.",
        ge=2,
        panel=TRAINING,
    )
    optimizer: Literal["sgd", "adam", "adamw", "lars"] = flag("sgd", "The optimizer.", panel=TRAINING)
    lr: float = flag(1e-2, "Learning rate at the end of the warm-up.", gt=0, panel=TRAINING)
    momentum: float = flag(0.9, "Momentum of sgd and lars.", ge=0, lt=1, panel=TRAINING)
    weight_decay: float = flag(0.0, "Weight decay.", ge=0, panel=TRAINING)
    warmup_epochs: float | None = flag(
        None, "Epochs of linear warm-up; 5 unless told, or a twelfth of fewer than 60 epochs.", ge=0, panel=TRAINING
    )
    schedule: Literal["cosine", "constant", "linear"] = flag(
        "cosine",
        "What the learning rate does after the warm-up: fall along a cosine, stay, or stay for --constant-epochs and "
        "then fall along a line.",
        panel=TRAINING,
    )
    start_lr: float | None = flag(
        None,
        "Learning rate of the first step, from which the warm-up rises; one step's part of --lr unless told.",
        gt=0,
        panel=TRAINING,
    )
    end_lr: float = flag(0.0, "Learning rate at which the cosine or the line ends.", ge=0, panel=TRAINING)
    constant_epochs: float | None = flag(
        None, "Epochs before the line of --schedule linear falls; half of all unless told.", ge=0, panel=TRAINING
    )
    clip: float = flag(1.0, "Largest gradient norm; 0 does not clip.", ge=0, panel=TRAINING)
    seed: int = flag(0, "Seed of everything that is drawn: splits, pairs, weights, augmentation.", ge=0, panel=TRAINING)
    gpus: int | None = flag(
        None,
        "Processes on this machine, each with a GPU of its own; with --device cpu so many on the CPU, for trials.",
        ge=1,
        panel=TRAINING,
    )
    nodes: int = flag(
        1,
        "Machines that train together: start the same command on each, with the same --rendezvous.",
        ge=1,
        panel=NODES,
    )
    rendezvous: str | None = flag(
        None,
        "Where several machines meet: one of them and a free port there. torchrun and srun do without.",
        metavar="HOST:PORT",
        panel=NODES,
    )
    node_timeout: float = flag(
        300.0, "So many seconds the machines (or a launcher's processes) wait for each other.", gt=0, panel=NODES
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = flag(
        "auto", "Where to train; auto takes a CUDA GPU where there is one.", panel=TRAINING
    )
    precision: Literal["auto", "fp32", "bf16", "fp16"] = flag(
        "auto",
        "Floating point format of a step; auto is bf16 where the device computes in it natively.",
        panel=TRAINING,
    )
    workers: int = flag(
        2, "Threads that read ahead of the training; they change nothing but its speed.", ge=1, panel=TRAINING
    )
    cache: Literal["auto", "on", "off"] = flag(
        "auto",
        "Keep all volumes in the device's memory and read them once; auto does on a GPU where they fit in a quarter of "
        "its free memory.",
        panel=TRAINING,
    )
    compile: bool = flag(
        False,
        "Compile the encoder with torch.compile: the first steps take minutes, later ones may be faster.",
        panel=TRAINING,
    )
    checkpoint_steps: int | None = flag(
        None, "Also save a checkpoint every so many steps; the end of an epoch always does.", ge=1, panel=TRAINING
    )
    tensorboard: bool = flag(
        False, "Also write the metrics for TensorBoard, which `tensorboard --logdir runs` shows.", panel=RUN
    )

    @field_validator("rendezvous")
    @classmethod
    def _is_address(cls, text: str | None) -> str | None:
        return None if text is None else str(Address.parse(text))

    @field_validator("init_from", mode="after")
    @classmethod
    def _where_the_weights_are(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        """A path that holds from wherever the run is resumed; a name is that of a run of the study."""
        if path is None:
            return None
        named = Path(info.data.get("study") or ".") / "runs" / path
        return (named if not path.exists() and named.exists() else path).absolute()

    @classmethod
    def _stored(cls, given: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
        """Leave medcl.toml out when a run is resumed: it goes on with its own options."""
        return ({}, "") if given.get("resume") else super()._stored(given)

    def settings(self) -> TrainingSettings:
        """These options as the training loop takes them.

        Raises:
            BadInput: naming what does not fit together.
        """
        return TrainingSettings(
            epochs=self.epochs,
            optimizer=self.optimizer,
            lr=self.lr,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            warmup_epochs=self.warmup_epochs,
            schedule=self.schedule,
            start_lr=self.start_lr,
            end_lr=self.end_lr,
            constant_epochs=self.constant_epochs,
            clip=self.clip or None,
            precision=self.precision,
            seed=self.seed,
            checkpoint_steps=self.checkpoint_steps,
            tensorboard=self.tensorboard,
        )
