"""Segmentation of a target without labels in two steps: its segmenter learns from translated source slices.

    loss = mean over labelled source slices s of Lseg(U(G(s)), y)

G was trained before, by contrastive translation (Zeng et al., 2023), and is frozen here. The paper trains all networks
together and compares with methods of two steps; this is its own generator in two steps. Without G the segmenter learns
from source slices as they are, the baseline that any translation must beat. Ours and optional: a moving average of the
segmenter (Tarvainen and Valpola, NeurIPS 2017), and deep supervision where the U-Net has it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from medcl.data.loader import Batch
from medcl.methods.ideal import move_average
from medcl.methods.label_overlap import label_overlap
from medcl.methods.self_training import supervised_loss
from medcl.methods.translation_rows import rows_of
from medcl.networks.generator import Generator
from medcl.networks.unet import UNet
from medcl.training.step import Step
from medcl.training.whole_batch import whole_batch_mean

OPTIMIZER = "main"
EVALUATION_IMAGES = 16
"""Slices at a time in evaluation."""


class Translated(nn.Module):
    """The method `translated` of `medcl segment train`.

    A batch has slices (m, 1, 1, H, W) in [0, 1] and their labels; its plan's targets "source" (M,) and "labelled" (M,)
    tell for the whole batch which slices are learned from: those of which both are true.

    Args:
        segmenter: gets translated slices.
        generator: from source to target; never trained, and frozen here. None leaves slices as they are.
        average: momentum of the segmenter's moving average, which is then kept; 0 for none.
    """

    def __init__(self, segmenter: UNet, generator: Generator | None, average: float = 0.0) -> None:
        super().__init__()
        self.segmenter = segmenter
        self.generator = None if generator is None else generator.requires_grad_(False).eval()
        self.momentum = average
        self.average: UNet | None = None
        if average:
            self.average = copy.deepcopy(segmenter).requires_grad_(False).eval()

    @property
    def encoder(self) -> nn.Module:
        """The encoder of the network that is kept."""
        return self.kept.encoder

    @property
    def kept(self) -> UNet:
        """The network that is validated and exported: the moving average where there is one."""
        return self.segmenter if self.average is None else self.average

    @property
    def collapse_loss(self) -> None:
        """There is none: labels hold the network."""
        return None

    def parameter_groups(self) -> dict[str, list[dict[str, Any]]]:
        """Return the segmenter's, under the one optimizer."""
        return {OPTIMIZER: [{"params": list(self.segmenter.parameters())}]}

    def steps(self, batch: Batch) -> Iterator[Step]:
        """Yield the batch's one step; none where no process has a labelled source slice."""
        rows = rows_of(batch)
        if not rows.labels:
            return
        if len(rows.labelled):
            used = rows.source[rows.labelled]
            labels = batch.labels
            assert labels is not None
            loss = supervised_loss(self.segmenter(self._translated(batch.volumes[used])), labels[used]).sum()
        else:  # the U-Net's norms take no empty batch; another process has slices, whose gradients meet these
            loss = 0.0 * next(self.segmenter.parameters()).sum()
        yield Step(OPTIMIZER, whole_batch_mean(loss, rows.labels))

    @torch.no_grad()
    def validate(self, batch: Batch) -> dict[str, Tensor]:
        """Return 1 - the mean Dice over the classes that the translated slices show or are said to show, and by class.

        A validation batch holds the slices of one source image.
        """
        labels = batch.labels
        assert labels is not None
        parts = (self._translated(part) for part in torch.split(batch.volumes, EVALUATION_IMAGES))
        decided = torch.cat([self.kept.probabilities(part).argmax(dim=1, keepdim=True) for part in parts])
        return label_overlap(decided, labels, self.segmenter.classes)

    def after_step(self, epoch: int, step: int) -> None:
        """Move the average."""
        if self.average is not None:
            # the average of few steps is mostly the first weights, which know nothing
            move_average(self.average, self.segmenter, min(self.momentum, 1 - 1 / (step + 1)))

    def train(self, mode: bool = True) -> Translated:
        """As torch's; the generator and the average stay in evaluation mode."""
        super().train(mode)
        for frozen in (self.generator, self.average):
            if frozen is not None:
                frozen.eval()
        return self

    @torch.no_grad()
    def _translated(self, slices: Tensor) -> Tensor:
        return slices if self.generator is None else self.generator(slices)
