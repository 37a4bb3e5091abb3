"""SimCLR (Chen et al., ICML 2020) as the baseline of Milecki et al. (MIDL 2022): two views of an image attract."""

from __future__ import annotations

import math
from collections.abc import Iterator

from torch import Tensor, nn
from torch.nn import Parameter

from medcl.data.loader import Batch
from medcl.losses.nt_xent import BASELINE_TEMPERATURE, nt_xent
from medcl.methods.embedder import Embedder
from medcl.methods.mean_cosines import mean_cosines
from medcl.training.step import Step

OPTIMIZER = "main"


class Simclr(nn.Module):
    """The method `simclr`: the batch's images 2i and 2i + 1 are the two views of one image.

    Args:
        encoder: volumes to features.
        projection: features to embeddings of length 1.
        images: of a training batch; only the collapse value depends on it.
        temperature: of NT-Xent (the paper's baseline 0.5).
        micro_batch: images that go through the encoder at a time; None is all.
    """

    def __init__(
        self,
        encoder: nn.Module,
        projection: nn.Module,
        *,
        images: int,
        temperature: float = BASELINE_TEMPERATURE,
        micro_batch: int | None = None,
    ) -> None:
        super().__init__()
        self.embedder = Embedder(encoder, projection, micro_batch)
        self.images = images
        self.temperature = temperature

    @property
    def encoder(self) -> nn.Module:
        """The network that is exported."""
        return self.embedder.encoder

    @property
    def collapse_loss(self) -> float:
        """The loss when all embeddings are equal: ln(2B - 1) for B images."""
        return math.log(2 * self.images - 1)

    def parameter_groups(self) -> dict[str, list[Parameter]]:
        """Return all parameters, under the one optimizer."""
        return {OPTIMIZER: list(self.parameters())}

    def steps(self, batch: Batch) -> Iterator[Step]:
        """Yield the batch's one step; logs the loss and the mean cosine of positives and of negatives."""
        z = self.embedder(batch.volumes, len(batch.cases))
        loss = nt_xent(z[0::2], z[1::2], self.temperature).mean()
        positive, negative = mean_cosines(z.detach())
        logs = {
            "loss": loss.detach(),
            "positive_cosine": positive,
            "negative_cosine": negative,
            "pairs": loss.new_tensor(len(z) // 2),
        }
        yield Step(OPTIMIZER, loss, logs, z)

    def validate(self, batch: Batch) -> dict[str, Tensor]:
        """Return the mean loss over the batch's views."""
        z = self.embedder(batch.volumes)
        positive, negative = mean_cosines(z)
        return {
            "loss": nt_xent(z[0::2], z[1::2], self.temperature).mean(),
            "positive_cosine": positive,
            "negative_cosine": negative,
            "weight": z.new_tensor(len(z)),
        }

    def after_step(self, epoch: int, step: int) -> None:
        """Nothing follows a step."""
