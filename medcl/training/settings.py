"""The settings that every training shares; the defaults are the kidney paper's.

Imports no torch, so that options models can read the names and defaults.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

from medcl.study.errors import BadInput

OPTIMIZERS: dict[str, str] = {
    "sgd": "stochastic gradient descent with momentum (the kidney paper)",
    "adam": "Adam; weight decay is added to the gradient",
    "adamw": "Adam with decoupled weight decay",
    "lars": "momentum with a step in proportion to each layer's weights, for large batches (You et al. 2017)",
}
"""Optimizer names and what they are."""

PRECISIONS: dict[str, str] = {
    "auto": "bf16 where the device computes in it natively, else fp32",
    "fp32": "32-bit floating point",
    "bf16": "bfloat16 mixed precision",
    "fp16": "float16 mixed precision with a gradient scaler (CUDA only)",
}
"""Precision names and what they are."""

SCHEDULES: dict[str, str] = {
    "cosine": "falls to --end-lr, zero unless told (the kidney paper), along half a cosine",
    "constant": "stays where the warm-up ends",
    "linear": "stays for --constant-epochs, then falls towards --end-lr in a step after each epoch (translation)",
}
"""What the learning rate does after the warm-up."""

WARMUP_EPOCHS = 5.0
"""Linear warm-up of the kidney paper, which trains for 60 epochs."""

WARMUP_SHARE = 1 / 12
"""The same warm-up as a share of the epochs, for runs shorter than the paper's."""


@dataclass(frozen=True)
class TrainingSettings:
    """How steps become a run.

    Attributes:
        epochs: passes through the source's plans.
        optimizer: one of `OPTIMIZERS`, for every optimizer name of the method.
        lr: peak learning rate (1e-2 in the paper) of parameter groups that name none of their own.
        momentum: of SGD (0.9 in the paper) and LARS; Adam has none.
        weight_decay: of parameter groups that name none of their own.
        warmup_epochs: linear warm-up, fractions allowed; None is 5 epochs, or a twelfth of fewer than 60.
        schedule: one of `SCHEDULES`.
        start_lr: learning rate of the first step, from which the warm-up rises; None begins at one step's part of `lr`.
            Parameter groups that name their own peak have the same share of it, here and at the end.
        end_lr: learning rate at which the cosine ends, and which the line would have one epoch after the run.
        constant_epochs: epochs before the learning rate of the schedule "linear" falls, the warm-up among them; None is
            half of the epochs.
        clip: largest gradient norm of an optimizer's parameters (1.0 in the paper's code); None does not clip.
        precision: one of `PRECISIONS`.
        seed: of every random generator.
        checkpoint_steps: also save every so many steps within an epoch; None saves at the end of epochs only.
        tensorboard: also write the metrics for TensorBoard.

    Raises:
        BadInput: naming every value that cannot be used.
    """

    epochs: int = 60
    optimizer: str = "sgd"
    lr: float = 1e-2
    momentum: float = 0.9
    weight_decay: float = 0.0
    warmup_epochs: float | None = None
    schedule: str = "cosine"
    start_lr: float | None = None
    end_lr: float = 0.0
    constant_epochs: float | None = None
    clip: float | None = 1.0
    precision: str = "auto"
    seed: int = 0
    checkpoint_steps: int | None = None
    tensorboard: bool = False

    def __post_init__(self) -> None:
        problems = [
            *_choice("--optimizer", self.optimizer, OPTIMIZERS),
            *_choice("--precision", self.precision, PRECISIONS),
            *_choice("--schedule", self.schedule, SCHEDULES),
            *_bound("--epochs", self.epochs, "1 or more", self.epochs >= 1),
            *_bound("--lr", self.lr, "above 0", self.lr > 0),
            *_bound(
                "--start-lr",
                self.start_lr,
                f"above 0 and at most the --lr of {self.lr}, or left out",
                self.start_lr is None or 0 < self.start_lr <= self.lr,
            ),
            *_bound("--end-lr", self.end_lr, f"from 0 to the --lr of {self.lr}", 0 <= self.end_lr <= self.lr),
            *_bound("--momentum", self.momentum, "in [0, 1)", 0 <= self.momentum < 1),
            *_bound("--weight-decay", self.weight_decay, "0 or more", self.weight_decay >= 0),
            *_bound("--clip", self.clip, "above 0, or left out", self.clip is None or self.clip > 0),
            *_bound(
                "--checkpoint-steps",
                self.checkpoint_steps,
                "1 or more, or left out",
                self.checkpoint_steps is None or self.checkpoint_steps >= 1,
            ),
            *_bound(
                "--warmup-epochs",
                self.warmup_epochs,
                f"from 0 to below the {self.epochs} epochs of the run",
                self.warmup_epochs is None or 0 <= self.warmup_epochs < self.epochs,
            ),
            *_bound(
                "--constant-epochs",
                self.constant_epochs,
                f"from 0 to the {self.epochs} epochs of the run, or left out",
                self.constant_epochs is None or 0 <= self.constant_epochs <= self.epochs,
            ),
            *_bound(
                "--constant-epochs",
                self.constant_epochs,
                f"to be left out with --schedule {self.schedule}, or --schedule linear, which alone has such epochs",
                self.constant_epochs is None or self.schedule not in SCHEDULES or self.schedule == "linear",
            ),
        ]
        if self.tensorboard and find_spec("tensorboard") is None:
            problems.append("--tensorboard: TensorBoard is not installed; pip install 'medcl[tensorboard]'.")
        if problems:
            raise BadInput(problems)

    @property
    def warmup(self) -> float:
        """Epochs of linear warm-up."""
        if self.warmup_epochs is not None:
            return self.warmup_epochs
        return min(WARMUP_EPOCHS, self.epochs * WARMUP_SHARE)

    @property
    def start(self) -> float | None:
        """Part of the peak learning rate at the first step of the warm-up, or None."""
        return None if self.start_lr is None else self.start_lr / self.lr

    @property
    def end(self) -> float:
        """Part of the peak learning rate at the end of the cosine or the line."""
        return self.end_lr / self.lr

    @property
    def constant(self) -> float:
        """Epochs before the learning rate of the schedule "linear" falls; 0 with the others, which have none."""
        if self.schedule != "linear":
            return 0.0
        return self.epochs / 2 if self.constant_epochs is None else self.constant_epochs


def _choice(flag: str, value: str, known: dict[str, str]) -> list[str]:
    if value in known:
        return []
    return [f"{flag} is {value!r}; known are {', '.join(known)}."]


def _bound(flag: str, value: object, expected: str, holds: bool) -> list[str]:
    return [] if holds else [f"{flag} is {value}; expected {expected}."]
