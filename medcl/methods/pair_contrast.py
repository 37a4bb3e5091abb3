"""Contrast of pairs by a clinical variable or by patient (Milecki et al., MIDL 2022), sampled or in-batch.

One optimizer, one step a batch: all images of a batch pass the encoder and the head together (so batch norms
see both images of the pairs), and the cosine embedding loss attracts positive and repels negative pairs. The
loss sees the head's embeddings; what is exported are the encoder's features.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from torch import Tensor, nn
from torch.nn import Parameter

from medcl.data.curriculum import NEGATIVE, POSITIVE
from medcl.data.loader import Batch
from medcl.losses.cosine_pairs import PAPER_MARGIN, cosine_pairs
from medcl.losses.in_batch_pairs import PAPER_POSITIVE_SHARE, in_batch_pairs
from medcl.methods.embedder import Embedder
from medcl.training.step import Step

OPTIMIZER = "main"


class PairContrast(nn.Module):
    """The methods `variable` and `patient`.

    Args:
        encoder: volumes to features.
        projection: features to embeddings of length 1.
        pairs: "sampled": the batch's images 2i and 2i + 1 are a pair, target "label" (P,); "in-batch": all
            pairs of the batch, target "label"
            (N, N).
        margin: cosine below which a negative pair costs nothing (paper 0, its code 0.5).
        positive_share: of the sampled pairs, or weight of the positives in-batch.
        micro_batch: images that go through the encoder at a time; None is all.
    """

    def __init__(
        self,
        encoder: nn.Module,
        projection: nn.Module,
        *,
        pairs: Literal["sampled", "in-batch"] = "sampled",
        margin: float = PAPER_MARGIN,
        positive_share: float = PAPER_POSITIVE_SHARE,
        micro_batch: int | None = None,
    ) -> None:
        super().__init__()
        self.embedder = Embedder(encoder, projection, micro_batch)
        self.pairs = pairs
        self.margin = margin
        self.positive_share = positive_share

    @property
    def encoder(self) -> nn.Module:
        """The network that is exported."""
        return self.embedder.encoder

    @property
    def collapse_loss(self) -> float:
        """The mean loss when all embeddings are equal: positives cost nothing, negatives 1 - margin."""
        return (1 - self.positive_share) * (1 - self.margin)

    def parameter_groups(self) -> dict[str, list[Parameter]]:
        """Return all parameters, under the one optimizer."""
        return {OPTIMIZER: list(self.parameters())}

    def steps(self, batch: Batch) -> Iterator[Step]:
        """Yield the batch's one step.

        Logs: the loss, the mean cosine of positive and of negative pairs (where the batch has such), the
            number of pairs, and whether the
        step had no positives (its mean over an epoch is the share of such steps).
        """
        z = self.embedder(batch.volumes, len(batch.cases))
        label = batch.targets["label"]
        if self.pairs == "in-batch":
            result = in_batch_pairs(z, label, self.margin, self.positive_share)
            loss, cosines = result.loss, (result.positive_cosine, result.negative_cosine)
        else:
            first, second = z[0::2], z[1::2]
            loss = cosine_pairs(first, second, label, self.margin).mean()
            cosines = _mean_cosines(first, second, label)
        yield Step(OPTIMIZER, loss, self._logs(batch, loss, cosines), z)

    def validate(self, batch: Batch) -> dict[str, Tensor]:
        """Return the loss over all pairs of a validation block, target "label" (N, N), whatever `pairs` is."""
        result = in_batch_pairs(self.embedder(batch.volumes), batch.targets["label"], self.margin, self.positive_share)
        return {
            "loss": result.loss,
            "positive_cosine": result.positive_cosine,
            "negative_cosine": result.negative_cosine,
            "weight": result.positives + result.negatives,
        }

    def after_step(self, epoch: int, step: int) -> None:
        """Nothing follows a step."""

    def _logs(self, batch: Batch, loss: Tensor, cosines: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        label = batch.plan.targets["label"]  # the host's copy: whether there are positives is no wait for the device
        each = 2 if label.ndim == 2 else 1  # an in-batch pair stands on both sides of the diagonal
        positives, negatives = int((label == POSITIVE).sum()) // each, int((label == NEGATIVE).sum()) // each
        logs = {
            "loss": loss.detach(),
            "pairs": loss.new_tensor(positives + negatives),
            "no_positives": loss.new_tensor(float(positives == 0)),
        }
        if positives:
            logs["positive_cosine"] = cosines[0]
        if negatives:
            logs["negative_cosine"] = cosines[1]
        return logs


def _mean_cosines(first: Tensor, second: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
    """Mean cosine of positive and of negative pairs; NaN where there are none. Embeddings have length 1."""
    cosine = (first.detach() * second.detach()).sum(dim=1)
    positive, negative = (label == POSITIVE).to(cosine), (label == NEGATIVE).to(cosine)
    return (cosine * positive).sum() / positive.sum(), (cosine * negative).sum() / negative.sum()
