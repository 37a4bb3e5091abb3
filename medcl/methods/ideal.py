"""Semi-supervised segmentation by two decoders that teach each other (IDEAL, Basak et al., ICASSP 2023).

    loss = mean over labelled images of the sum over decoders d of L(p_d, m)
         + w(t) * mean over unlabelled images of CE(p1, y2) + CE(p2, y1),     y = arg-max, no gradient through it

The paper's L is cross-entropy and its w is 1. Ours by default: half cross-entropy and half Dice, and
w(t) = W exp(-5 (1 - t)^2) while t goes from 0 to 1 (Laine and Aila, ICLR 2017). Options: a moving average of the
network as the teacher (Tarvainen and Valpola, NeurIPS 2017), copy-paste mixing, a least confidence. With no unlabelled
images and one decoder it is a plain U-Net.

Labelled and unlabelled images pass the network apart, as in the code of CPS (Chen et al., CVPR 2021). Where batch norms
see both, what pushes labelled voxels to the background pushes unlabelled ones away from it, since the mean of both is
taken off: on ACDC with three labelled patients unlabelled images became foreground nearly everywhere.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from medcl.data.loader import Batch
from medcl.data.to_device import to_device
from medcl.losses.cross_entropy_dice import UNLABELLED, Supervised, cross_entropy_dice
from medcl.losses.cross_pseudo import cross_pseudo, decided_entropy, pseudo_labels
from medcl.methods.copy_paste import copy_paste
from medcl.methods.label_overlap import label_overlap
from medcl.networks.segmenter import Segmenter
from medcl.networks.unet import UNet
from medcl.training.distributed import own_rows
from medcl.training.step import Step
from medcl.training.whole_batch import whole_batch_mean

OPTIMIZER = "main"
EVALUATION_IMAGES = 16
"""Images at a time in evaluation."""


@dataclass(frozen=True)
class IdealOptions:
    """What can be chosen about the method; the defaults are ours.

    Attributes:
        dice_share: of the loss of labelled images (paper 0).
        weight: W, of what the decoders teach each other (paper 1).
        ramp_steps: steps in which t goes from 0 to 1 (paper 0: W from the first step on).
        confidence: least probability of a decision that is learned from; 0 takes all.
        teacher: momentum of the moving average; 0 for none.
        mix: whether labelled and unlabelled images are pasted into each other.
        encoder_lr: learning rate of the encoder; None is that of the decoders.
        seed: of the mixing.
    """

    dice_share: float = 0.5
    weight: float = 0.1
    ramp_steps: int = 0
    confidence: float = 0.0
    teacher: float = 0.0
    mix: bool = False
    encoder_lr: float | None = None
    seed: int = 0


class _Rows(NamedTuple):
    """Rows of this process's labelled and unlabelled images, on their device."""

    labelled: Tensor
    unlabelled: Tensor


class _Taught(NamedTuple):
    """What unlabelled images gave: the sum of their losses and of what is logged, over this process's images."""

    loss: Tensor
    logs: dict[str, Tensor]


class Ideal(nn.Module):
    """The methods `ideal` and `supervised` of `medcl segment train`.

    A batch has labels (m, 1, D, H, W), `UNLABELLED` in images that count as unlabelled; its plan's target "labelled"
    (M,) tells them for the whole batch.

    Args:
        segmenter: with two decoders, or with one for labelled images alone; a U-Net counts as one.
        options: what can be chosen.
    """

    def __init__(self, segmenter: Segmenter | UNet, options: IdealOptions) -> None:
        super().__init__()
        self.segmenter = segmenter
        self.options = options
        self.average: Segmenter | UNet | None = None
        if options.teacher:
            self.average = copy.deepcopy(segmenter).requires_grad_(False)
        self.steps_done = 0

    @property
    def encoder(self) -> nn.Module:
        """The encoder of the network that is kept."""
        return self.kept.encoder

    @property
    def kept(self) -> Segmenter | UNet:
        """The network that is validated and exported: the moving average where there is one."""
        return self.segmenter if self.average is None else self.average

    @property
    def collapse_loss(self) -> None:
        """There is none: labelled images hold the network."""
        return None

    def parameter_groups(self) -> dict[str, list[dict[str, Any]]]:
        """Return encoder and decoders, under the one optimizer."""
        encoder: dict[str, Any] = {"params": list(self.segmenter.encoder.parameters())}
        if self.options.encoder_lr is not None:
            encoder["lr"] = self.options.encoder_lr
        return {OPTIMIZER: [{"params": list(self.segmenter.decoders.parameters())}, encoder]}

    def weight(self) -> float:
        """Return w(t) of the next step."""
        ramp = self.options.ramp_steps
        t = min(1.0, self.steps_done / ramp) if ramp else 1.0
        return self.options.weight * math.exp(-5 * (1 - t) ** 2)

    def steps(self, batch: Batch) -> Iterator[Step]:
        """Yield the batch's one step; logs losses, the weight, and how far the decoders agree."""
        labels = batch.labels
        assert labels is not None
        labelled = batch.plan.targets["labelled"]  # the host's copy: asking it costs no wait for the device
        own = labelled[own_rows(len(labelled))]
        rows = _Rows(*(to_device(torch.from_numpy(np.flatnonzero(which)), labels.device) for which in (own, ~own)))
        counts = int(labelled.sum()), int((~labelled).sum())
        taught: _Taught | None = None
        if counts[1] and self.options.mix:
            supervised, taught = self._mixed(batch, labels, rows)
            counts = 2 * counts[1], 2 * counts[1]
        else:
            # apart: batch norms over both would let the network tell labelled images by the unlabelled ones' cost
            supervised = self._supervised(self.segmenter(batch.volumes[rows.labelled]), labels[rows.labelled])
            if counts[1]:
                taught = self._taught(batch.volumes[rows.unlabelled])
        truth = whole_batch_mean(supervised.loss.sum(), counts[0])
        logs = {
            "loss_labelled": truth.detach(),
            "dice_loss": whole_batch_mean(supervised.dice.sum(), counts[0]) / len(self.segmenter.decoders),
        }
        loss = truth
        if taught is not None and counts[1]:
            weight, unlabelled = self.weight(), whole_batch_mean(taught.loss, counts[1])
            loss = loss + weight * unlabelled
            logs |= {"loss_unlabelled": unlabelled.detach(), "weight": loss.new_tensor(weight)}
            logs |= {name: whole_batch_mean(value, counts[1]) for name, value in taught.logs.items()}
        yield Step(OPTIMIZER, loss, {"loss": loss.detach(), **logs})

    @torch.no_grad()
    def validate(self, batch: Batch) -> dict[str, Tensor]:
        """Return 1 - the mean Dice over the classes that the batch's images show or are said to show, and by class.

        A validation batch holds the slices of one image, or one volume.
        """
        labels = batch.labels
        assert labels is not None
        parts = torch.split(batch.volumes, EVALUATION_IMAGES)
        decided = torch.cat([self.kept.probabilities(part).argmax(dim=1, keepdim=True) for part in parts])
        return label_overlap(decided, labels, self.segmenter.classes)

    def after_step(self, epoch: int, step: int) -> None:
        """Move the average and note the step, on which the weight depends."""
        self.steps_done = step
        if self.average is not None:
            # the average of few steps is mostly the first weights, which know nothing
            momentum = min(self.options.teacher, 1 - 1 / (step + 1))
            move_average(self.average, self.segmenter, momentum)

    def train(self, mode: bool = True) -> Ideal:
        """As torch's; the average stays in evaluation mode."""
        super().train(mode)
        if self.average is not None:
            self.average.eval()
        return self

    def get_extra_state(self) -> dict[str, int]:
        """What a checkpoint keeps beside the weights."""
        return {"steps_done": self.steps_done}

    def set_extra_state(self, state: Mapping[str, int]) -> None:
        """Go on from `get_extra_state`."""
        self.steps_done = state["steps_done"]

    def _taught(self, volumes: Tensor) -> _Taught:
        """What the decoders learn from each other, or from the average's."""
        first, second = self.segmenter(volumes)
        if self.average is None:
            result = cross_pseudo(first, second, self.options.confidence or None)
            return _Taught(result.loss.sum(), {"agreement": result.agreement.sum(), "taken": result.taken.sum()})
        y1, y2 = self._decisions(volumes)
        loss = decided_entropy(first, y2) + decided_entropy(second, y1)
        return _Taught(loss.sum(), _agreement(y1, y2))

    def _mixed(self, batch: Batch, labels: Tensor, rows: _Rows) -> tuple[Supervised, _Taught]:
        """Mixed images only: true voxels cost as labelled ones, the others what the decoders believe of them."""
        own = own_rows(len(batch.plan.rows))
        keys = batch.plan.keys[own][~batch.plan.targets["labelled"][own]]
        unlabelled, truth = batch.volumes[rows.unlabelled], labels[rows.labelled][:, 0]
        y1, y2 = self._decisions(unlabelled)
        mixed = copy_paste(batch.volumes[rows.labelled], unlabelled, keys, self.options.seed, self.steps_done)
        logits = self.segmenter(mixed.volumes)
        true = mixed.join(truth, torch.full_like(y1[:, 0], UNLABELLED))[:, None]
        supervised = self._supervised(logits, true)
        believed = [mixed.join(torch.full_like(truth, UNLABELLED), y[:, 0])[:, None] for y in (y2, y1)]
        losses = [decided_entropy(each, y) for each, y in zip(logits, believed, strict=True)]
        return supervised, _Taught(torch.stack(losses).sum(), _agreement(y1, y2, times=2))

    def _supervised(self, logits: list[Tensor], labels: Tensor) -> Supervised:
        """The sum over the decoders."""
        each = [cross_entropy_dice(one, labels, self.options.dice_share) for one in logits]
        return Supervised(
            torch.stack([one.loss for one in each]).sum(dim=0),
            each[0].labelled,
            torch.stack([one.cross_entropy for one in each]).sum(dim=0),
            torch.stack([one.dice for one in each]).sum(dim=0),
        )

    @torch.no_grad()
    def _decisions(self, volumes: Tensor) -> list[Tensor]:
        """What the decoders decide, as the average or, without one, as the network itself in evaluation mode."""
        teacher, mode = self.kept, self.segmenter.training
        teacher.eval()
        decided = [pseudo_labels(each, self.options.confidence or None) for each in teacher(volumes)]
        self.segmenter.train(mode)
        return decided


@torch.no_grad()
def move_average(average: nn.Module, network: nn.Module, momentum: float) -> None:
    """Move the weights and running statistics of `average` towards those of `network`; counts are taken over."""
    pairs = zip(average.state_dict().items(), network.state_dict().values(), strict=True)
    for (_, mean), now in pairs:
        if mean.is_floating_point():
            mean.lerp_(now, 1 - momentum)
        else:
            mean.copy_(now)


def _agreement(y1: Tensor, y2: Tensor, times: int = 1) -> dict[str, Tensor]:
    """Sums over the images; `times` where an image stands in several mixed ones."""
    taken = torch.stack([y1, y2]) != UNLABELLED
    return {
        "agreement": times * (y1 == y2).float().flatten(1).mean(dim=1).sum(),
        "taken": times * taken.float().flatten(2).mean(dim=(0, 2)).sum(),
    }
