"""Contrastive translation of unpaired slices, with a segmenter of the target (Zeng et al., 2023).

    discriminator:  D(G(s))^2 + (D(t) - 1)^2
    generator:      (D(G(s)) - 1)^2 + NCE(s, G(s)) + NCE(t, G(t)) + Lseg(U(G(s)), y)

s is a source slice with labels y, t a target slice. NCE is PatchNCE of the given and the made slice over several taps
of G's encoder half and its projection F; its term of target slices keeps what looks like the target already (the
paper's x^{t->s}, which with one generator is G(t)). One optimizer steps on G, F and U by the sum, the other on D before
that. Lseg flows through the translated slice into G.

The weights 1 are those of the paper's equation 1; the public code of Park et al. (ECCV 2020) has halves of both NCE
terms and of D's loss. Ours and optional: organ-aware negatives, moving averages of G and U, self-training of U on
target slices, deep supervision of U.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from medcl.data.loader import Batch
from medcl.data.plan import LABELLED
from medcl.losses.least_squares_gan import discriminator_loss, generator_loss
from medcl.methods.ideal import move_average
from medcl.methods.label_overlap import label_overlap
from medcl.methods.patch_contrast import patch_contrast, positions_of
from medcl.methods.self_training import perturb, ramp, self_taught, supervised_loss
from medcl.methods.translation_options import TranslationOptions as TranslationOptions
from medcl.methods.translation_rows import TranslationRows, rows_of, shown_labels
from medcl.networks.discriminator import Discriminator
from medcl.networks.generator import Generator
from medcl.networks.patch_projection import PatchProjection
from medcl.networks.unet import UNet
from medcl.study.errors import BadInput
from medcl.training.step import Step
from medcl.training.whole_batch import whole_batch_mean

DISCRIMINATOR, GENERATOR = "discriminator", "generator"
"""Names of the optimizers."""

EVALUATION_IMAGES = 16
"""Slices at a time in evaluation."""

FIXED_STEP = -1
"""The step that keys positions which are the same in every validation."""


class Translation(nn.Module):
    """The method of `medcl translate train`.

    A batch has slices of the source and of the target in any order; its plan's target "source" (M,) tells them apart,
    and "labelled" (M,) which of the source have labels, both for the whole batch.

    Args:
        generator: G, translates source slices.
        discriminator: D.
        projection: F, built from the generator's channels at the options' taps.
        segmenter: U, of the target; None translates only.
        options: what can be chosen.

    Attributes:
        keeps_last: the last epoch's weights are kept, as no loss of a GAN tells which are best.

    Raises:
        BadInput: the generator has no such tap, or self-training without a segmenter.
        ValueError: the projection is for other taps.
    """

    keeps_last = True

    def __init__(
        self,
        generator: Generator,
        discriminator: Discriminator,
        projection: PatchProjection,
        segmenter: UNet | None,
        options: TranslationOptions,
    ) -> None:
        super().__init__()
        if projection.channels != generator.tap_channels(options.taps):
            raise ValueError(f"the projection is for {projection.channels}, not for the taps {options.taps}")
        if options.self_training and segmenter is None:
            raise BadInput("--self-training teaches a segmenter, and there is none; give --segment too.")
        self.generator = generator
        self.discriminator = discriminator
        self.projection = projection
        self.segmenter = segmenter
        self.options = options
        self.average_generator: Generator | None = None
        self.average_segmenter: UNet | None = None
        if options.average:
            self.average_generator = copy.deepcopy(generator).requires_grad_(False)
            if segmenter is not None:
                self.average_segmenter = copy.deepcopy(segmenter).requires_grad_(False)
        self.steps_done = 0

    @property
    def kept_generator(self) -> Generator:
        """The generator that is validated and exported: the moving average where there is one."""
        return self.generator if self.average_generator is None else self.average_generator

    @property
    def kept_segmenter(self) -> UNet | None:
        """The segmenter that is validated and exported, if there is one."""
        return self.segmenter if self.average_segmenter is None else self.average_segmenter

    @property
    def encoder(self) -> nn.Module:
        """The generator that is kept: its first half encodes."""
        return self.kept_generator

    @property
    def collapse_loss(self) -> None:
        """There is none: `nce_of_chance` is compared with 1 instead."""
        return None

    def parameter_groups(self) -> dict[str, list[dict[str, Any]]]:
        """Return D under the one optimizer, and G, F and U under the other.

        U is a group apart: where a batch has no labelled slice it has no gradient, and torch's fused SGD fails on a
        group of both.
        """
        betas = self.options.betas
        translating = [*self.generator.parameters(), *self.projection.parameters()]
        groups = [{"params": translating, "betas": betas}]
        if self.segmenter is not None:
            groups.append({"params": list(self.segmenter.parameters()), "betas": betas})
        return {
            DISCRIMINATOR: [{"params": list(self.discriminator.parameters()), "betas": betas}],
            GENERATOR: groups,
        }

    def steps(self, batch: Batch) -> Iterator[Step]:
        """Yield the discriminator's step and then the generator's, which meets the new discriminator.

        Logs score_real and score_made (D's mean scores before its step; 1 is real), loss_gan, loss_nce, loss_identity,
        loss_segmentation, loss_self_training with the share of pixels taken, and nce_of_chance: the source's contrast,
        1 when all patches look alike.
        """
        rows = rows_of(batch)
        source, target = batch.volumes[rows.source], batch.volumes[rows.target]
        given = torch.cat([source, target]) if self.options.identity_weight else source
        made, maps = self.generator.translate(given, self.options.taps)
        translated = made[: len(source)]
        yield self._discriminator_step(translated.detach(), target, rows)
        logs = self._gan(translated, rows) | self._contrast(made, maps, batch, rows)
        logs |= self._segmentation(translated, batch, rows) | self._self_training(target, rows)
        options = self.options
        weights = {
            "loss_gan": options.gan_weight,
            "loss_nce": options.nce_weight,
            "loss_identity": options.identity_weight,
            "loss_segmentation": options.segmentation_weight,
            "loss_self_training": options.self_training * ramp(self.steps_done, options.self_training_ramp),
        }
        loss = torch.stack([weights[name] * value for name, value in logs.items() if name in weights]).sum()
        yield Step(GENERATOR, loss, {name: value.detach() for name, value in logs.items()})

    @torch.no_grad()
    def validate(self, batch: Batch) -> dict[str, Tensor]:
        """Return what is said of source slices, those of one image.

        With a segmenter and labels "loss" is 1 - the mean Dice over the classes of what it makes of their translation,
        as in `label_overlap`, with loss_nce beside it; else it is their contrast at positions fixed for the run.
        """
        nce = self._validation_contrast(batch)
        segmenter = self.kept_segmenter
        if segmenter is None or not batch.plan.targets[LABELLED].any():
            return {"loss": nce, "weight": nce.new_tensor(len(batch.volumes))}
        labels = batch.labels
        assert labels is not None
        translated = (self.kept_generator(part) for part in torch.split(batch.volumes, EVALUATION_IMAGES))
        decided = torch.cat([segmenter.probabilities(part).argmax(dim=1, keepdim=True) for part in translated])
        return {**label_overlap(decided, labels, segmenter.classes), "loss_nce": nce}

    def after_step(self, epoch: int, step: int) -> None:
        """Move the averages and note the step, which keys positions and perturbations."""
        self.steps_done = step
        # the average of few steps is mostly the first weights, which know nothing
        momentum = min(self.options.average, 1 - 1 / (step + 1))
        if self.average_generator is not None:
            move_average(self.average_generator, self.generator, momentum)
        if self.average_segmenter is not None and self.segmenter is not None:
            move_average(self.average_segmenter, self.segmenter, momentum)

    def train(self, mode: bool = True) -> Translation:
        """As torch's; the averages stay in evaluation mode."""
        super().train(mode)
        for average in (self.average_generator, self.average_segmenter):
            if average is not None:
                average.eval()
        return self

    def get_extra_state(self) -> dict[str, int]:
        """What a checkpoint keeps beside the weights."""
        return {"steps_done": self.steps_done}

    def set_extra_state(self, state: Mapping[str, int]) -> None:
        """Go on from `get_extra_state`."""
        self.steps_done = state["steps_done"]

    def _discriminator_step(self, translated: Tensor, target: Tensor, rows: TranslationRows) -> Step:
        scores = self.discriminator(torch.cat([translated, target]))
        made, real = scores[: len(translated)], scores[len(translated) :]
        # each beside a faultless other: a process may have more slices of the source than of the target
        of_made = discriminator_loss(made, torch.ones_like(made)).sum()
        of_real = discriminator_loss(torch.zeros_like(real), real).sum()
        loss = whole_batch_mean(of_made, rows.sources) + whole_batch_mean(of_real, rows.targets)
        means = {"score_made": (made, rows.sources), "score_real": (real, rows.targets)}
        logs = {name: whole_batch_mean(_mean_scores(each).sum(), count) for name, (each, count) in means.items()}
        return Step(DISCRIMINATOR, loss, logs)

    def _gan(self, translated: Tensor, rows: TranslationRows) -> dict[str, Tensor]:
        with _frozen(self.discriminator):
            scores = self.discriminator(translated)
        return {"loss_gan": whole_batch_mean(generator_loss(scores).sum(), rows.sources)}

    def _contrast(
        self, made: Tensor, maps: dict[str, Tensor], batch: Batch, rows: TranslationRows
    ) -> dict[str, Tensor]:
        """The contrast of source slices and, behind them in `made` and `maps`, of those of the target, if any."""
        options = self.options
        if not len(made):  # a process without a slice
            nothing = made.sum()
            found = {"loss_nce": nothing, "nce_of_chance": nothing}
            return found | ({"loss_identity": nothing} if options.identity_weight else {})
        keys = rows.keys[: len(made)]
        positions = positions_of(keys.tolist(), made.shape[3:], self.steps_done, options, made.device)
        labels = shown_labels(batch, rows)[: len(made)] if options.organ_negatives else None
        again = self.generator.taps(made, options.taps)
        each = patch_contrast(again, maps, positions, self.projection, options, labels)
        sources = len(rows.source)
        found = {
            "loss_nce": whole_batch_mean(each.loss[:sources].sum(), rows.sources),
            "nce_of_chance": whole_batch_mean(each.of_chance[:sources].sum(), rows.sources),
        }
        if options.identity_weight:
            found["loss_identity"] = whole_batch_mean(each.loss[sources:].sum(), rows.targets)
        return found

    def _segmentation(self, translated: Tensor, batch: Batch, rows: TranslationRows) -> dict[str, Tensor]:
        if self.segmenter is None or not rows.labels:
            return {}
        loss = translated.new_zeros(())
        if len(rows.labelled):  # the U-Net's norms take no empty batch
            labels = shown_labels(batch, rows)[rows.labelled]
            seen = translated.detach() if self.options.detach_translated else translated
            loss = supervised_loss(self.segmenter(seen[rows.labelled]), labels).sum()
        return {"loss_segmentation": whole_batch_mean(loss, rows.labels)}

    def _self_training(self, target: Tensor, rows: TranslationRows) -> dict[str, Tensor]:
        teacher, options = self.average_segmenter, self.options
        if not options.self_training or self.segmenter is None or teacher is None:
            return {}
        loss = taken = target.new_zeros(())
        if len(target):
            perturbed = perturb(target, rows.keys[len(rows.source) :], options.seed, self.steps_done)
            taught = self_taught(self.segmenter, teacher, target, perturbed, options.confidence)
            loss, taken = taught.loss.sum(), taught.taken.sum()
        return {
            "loss_self_training": whole_batch_mean(loss, rows.targets),
            "taken": whole_batch_mean(taken, rows.targets),
        }

    def _validation_contrast(self, batch: Batch) -> Tensor:
        """The mean contrast of the slices and their translations, all of them as if of the source."""
        options, generator = self.options, self.kept_generator
        size, device = batch.volumes.shape[3:], batch.volumes.device
        positions = positions_of(batch.plan.keys.tolist(), size, FIXED_STEP, options, device)
        losses = []
        for first in range(0, len(batch.volumes), EVALUATION_IMAGES):
            part = slice(first, first + EVALUATION_IMAGES)
            made, maps = generator.translate(batch.volumes[part], options.taps)
            these = {name: each[part] for name, each in positions.items()}
            again = generator.taps(made, options.taps)
            losses.append(patch_contrast(again, maps, these, self.projection, options).loss)
        return torch.cat(losses).mean()


def _mean_scores(scores: Tensor) -> Tensor:
    """(B,)."""
    scores = scores.detach().flatten(1)
    return (scores if scores.dtype == torch.float64 else scores.float()).mean(dim=1)


@contextmanager
def _frozen(network: nn.Module) -> Iterator[None]:
    """Let what is computed inside pass gradient through the network, but give none to its weights."""
    before = [parameter.requires_grad for parameter in network.parameters()]
    network.requires_grad_(False)
    try:
        yield
    finally:
        for parameter, needed in zip(network.parameters(), before, strict=True):
            parameter.requires_grad_(needed)
