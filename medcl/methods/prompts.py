"""Contrast of images and clinical prompts (Milecki et al., MEDIMP, MIDL 2023), as CLIP (Radford et al., ICML 2021).

Image and text features are projected linearly into one space, where each image seeks its prompt among the prompts of
the batch, and each prompt its image. What is exported are the image encoder's features. Ours: images whose prompts say
the same are not each other's negatives, and as in CLIP weight decay leaves the scale, biases and norms alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor, nn

from medcl.data.loader import Batch
from medcl.losses.image_text import image_text
from medcl.losses.unit import full_precision
from medcl.methods.embedder import Embedder
from medcl.methods.prompt_texts import PromptTexts
from medcl.networks.logit_scale import LogitScale
from medcl.networks.text_encoder import Pooling
from medcl.networks.text_folder import MINILM
from medcl.networks.text_space import TextSpace
from medcl.study.errors import BadInput
from medcl.training.step import Step

OPTIMIZER = "main"


@dataclass(frozen=True)
class PromptOptions:
    """What can be chosen about the method.

    Attributes:
        targets: "shared": images whose prompts say the same, or of whom the same is known, share their targets (ours);
            "identity": each has its own prompt alone (paper).
        text_encoder, frozen_layers, text_pooling, download: as of `build_text_encoder`.
        text_width: of the space that images and prompts share; None is that of the image encoder's features, which are
            the paper's 1024 for clip-resnet50.
        betas, eps: of Adam and AdamW (paper).

    Raises:
        BadInput: naming every value that cannot be used.
    """

    targets: Literal["shared", "identity"] = "shared"
    text_encoder: str = MINILM
    frozen_layers: int | None = None
    text_pooling: Pooling = "cls"
    text_width: int | None = None
    download: bool = False
    betas: tuple[float, float] = (0.9, 0.98)
    eps: float = 1e-6

    def __post_init__(self) -> None:
        problems = [
            f"{flag} is {value}; expected {expected}."
            for flag, value, expected, fine in (
                ("--targets", self.targets, "shared or identity", self.targets in ("shared", "identity")),
                ("--text-width", self.text_width, "1 or more", self.text_width is None or self.text_width > 0),
            )
            if not fine
        ]
        if problems:
            raise BadInput(problems)


class PromptContrast(nn.Module):
    """The method `prompts`.

    Args:
        encoder: volumes to features.
        projection: features to embeddings of length 1, as wide as those of the texts.
        texts: prompts to embeddings.
        images: of a training batch; only the collapse value depends on it.
        options: of the method.
        micro_batch: images that go through the encoder at a time; None is all. Prompts always go together.
    """

    def __init__(
        self,
        encoder: nn.Module,
        projection: nn.Module,
        texts: PromptTexts,
        *,
        images: int,
        options: PromptOptions | None = None,
        micro_batch: int | None = None,
    ) -> None:
        super().__init__()
        self.embedder = Embedder(encoder, projection, micro_batch)
        self.texts = texts
        self.scale = LogitScale()
        self.images = images
        self.options = PromptOptions() if options is None else options

    @property
    def encoder(self) -> nn.Module:
        """The network that is exported."""
        return self.embedder.encoder

    @property
    def text_space(self) -> TextSpace:
        """The text side, which is exported too."""
        return self.texts.space

    @property
    def collapse_loss(self) -> float:
        """The loss when all embeddings are equal: ln B for B images."""
        return math.log(self.images)

    def parameter_groups(self) -> dict[str, list[dict[str, Any]]]:
        """Return what is trained, under the one optimizer, in two groups: matrices, and what has no weight decay."""
        trained = [weights for weights in self.parameters() if weights.requires_grad]
        adam = {"betas": self.options.betas, "eps": self.options.eps}
        matrices = [weights for weights in trained if weights.ndim > 1]
        others = [weights for weights in trained if weights.ndim <= 1]
        return {OPTIMIZER: [{"params": matrices, **adam}, {"params": others, "weight_decay": 0.0, **adam}]}

    def steps(self, batch: Batch) -> Iterator[Step]:
        """Yield the batch's one step.

        Logs: the loss, the scale, the mean cosine of images and their own prompts, and of images and prompts that say
        something else (where the batch has such).
        """
        z = self.embedder(batch.volumes, len(batch.cases))
        texts = self.texts(batch.plan.targets["prompt"])
        scale = self.scale()
        loss = image_text(z, texts, scale, self._same(batch)).mean()
        logs = {"loss": loss.detach(), "scale": scale.detach(), **_cosines(z.detach(), texts.detach(), batch)}
        yield Step(OPTIMIZER, loss, logs, z)

    def validate(self, batch: Batch) -> dict[str, Tensor]:
        """Return the mean loss of the batch, and its median rank of the right prompt among all of the validation.

        Ranks count from 1; of equally near prompts it is the middle of their ranks. Over several batches it is the mean
        of their medians. An image that knows nothing comes to (K + 1) / 2 of K prompts.
        """
        z = self.embedder(batch.volumes)
        texts = self.texts(batch.plan.targets["prompt"])
        candidates = self.texts(batch.plan.targets["candidates"])
        return {
            "loss": image_text(z, texts, self.scale(), self._same(batch)).mean(),
            "median_rank": right_ranks(z, candidates, batch.targets["right"]).quantile(0.5),
            "weight": z.new_tensor(len(z)),
        }

    def after_step(self, epoch: int, step: int) -> None:
        """Nothing follows a step."""

    def _same(self, batch: Batch) -> Tensor | None:
        return same_prompts(batch) if self.options.targets == "shared" else None


def same_prompts(batch: Batch) -> Tensor:
    """Return which images of a batch are no negatives of each other, (M, M) bool.

    Of two images the same is known, so that the prompt of one is true of the other whatever its template; or their
    prompts say the same by a template that leaves out wherein they differ.
    """
    known, said = batch.targets["statement"], batch.targets["said"]
    return (known[:, None] == known[None, :]) | (said[:, None] == said[None, :])


def right_ranks(images: Tensor, prompts: Tensor, right: Tensor) -> Tensor:
    """Return the rank of each image's prompt by cosine, (M,) from 1; of equally near ones the middle of their ranks.

    Args:
        images: (M, C) of length 1.
        prompts: (K, C) of length 1.
        right: (M,) place of each image's prompt.
    """
    with full_precision(images):  # or half precision would make ties
        cosines = images @ prompts.T
    own = cosines.gather(1, right[:, None])
    return (cosines > own).sum(dim=1) + ((cosines == own).sum(dim=1) + 1) / 2


def _cosines(z: Tensor, texts: Tensor, batch: Batch) -> dict[str, Tensor]:
    with full_precision(z):
        cosines = z @ texts.T
    own = cosines.diagonal().mean()
    same = same_prompts(batch)
    logs = {"own_cosine": own}
    targets = batch.plan.targets  # the host's copy: whether there are others is no wait for the device
    if len(set(targets["statement"].tolist())) > 1 and len(set(targets["said"].tolist())) > 1:
        others = (~same).to(cosines.dtype)
        logs["other_cosine"] = (cosines * others).sum() / others.sum()
    return logs
