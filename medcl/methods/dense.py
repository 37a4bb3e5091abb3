"""Dense local contrast of two views (IDEAL, Basak et al., ICASSP 2023): cells attract the cells of the same place.

Each cell of one view's feature map is to be nearer to its corresponding cell of the other view than to the cells of
other images. Queries come from the encoder and a dense head, keys from a moving average of both (He et al., MoCo, CVPR
2020; ours, the paper's figure draws two encoders). The loss goes both ways: each view asks once.

Corresponding cells are found by features, as the paper says: the most alike cell by the cosine of backbone features
(query's of one view, key's of the other, as in DenseCL). Or, ours, by geometry: the known transforms of the views tell
which cell lies at the same place. Features of an untrained network match at random, so that geometry for the first
epochs is an option. With `stride` 16 the grid is twice as fine: stage 3's cells with stage 4's enlarged beside them, so
that all of the encoder learns.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import Parameter
from torch.nn.functional import interpolate

from medcl.data.loader import Batch
from medcl.data.to_device import to_device
from medcl.losses.correspondence import feature_matches, geometric_matches
from medcl.losses.dense_local import TEMPERATURE, DenseLocal, dense_local
from medcl.methods.embedder import Embedder
from medcl.networks.dense_head import DenseHead
from medcl.networks.encoder import Encoder
from medcl.networks.feature_maps import MAP_STRIDES, feature_maps, map_channels
from medcl.training.gather import gather_rows
from medcl.training.step import Step

OPTIMIZER = "main"
MOMENTUM = 0.99
WATCHED_CELLS = 2048
"""At most so many embeddings of a step are looked at for collapse."""

Positives = Literal["feature", "geometric"]
Stride = Literal[32, 16]


@dataclass(frozen=True)
class DenseOptions:
    """What can be chosen about the method.

    Attributes:
        positives: how corresponding cells are found: "feature" (paper) or "geometric" (ours).
        warmup_steps: so many steps by geometry before matching by features (ours).
        stride: voxels from cell to cell across y and x.
        temperature: of the loss.
        momentum: of the moving average that gives the keys (ours).
        position_gap: cells of slices that lie nearer than this in their volumes, 0 to 1, are no negatives (Zeng et
            al., MICCAI 2021); 0 (paper): all are.
        same_patient: whether cells of other images of the same patient are negatives (paper: they are).
    """

    positives: Positives = "feature"
    warmup_steps: int = 0
    stride: Stride = 32
    temperature: float = TEMPERATURE
    momentum: float = MOMENTUM
    position_gap: float = 0.0
    same_patient: bool = True


class Dense(nn.Module):
    """The method `dense`: the batch's images 2i and 2i + 1 are the two views of one image.

    A batch has `views`, and the targets "image", "patient" and "position", (M,) each, of `DenseTask`.

    Args:
        encoder: a ResNet.
        network: its name.
        options: what can be chosen.
        images: of a training batch; only the collapse value depends on it.
        micro_batch: views that go through the encoder at a time; None is all.

    Raises:
        BadInput: the network is no ResNet.
    """

    def __init__(
        self, encoder: Encoder, network: str, options: DenseOptions, *, images: int, micro_batch: int | None = None
    ) -> None:
        super().__init__()
        channels = map_channels(network)
        width = channels[-1] if options.stride == 32 else channels[-1] + channels[-2]
        self.embedder = Embedder(GridOfCells(encoder, options.stride), DenseHead(width), micro_batch)
        self.keys = copy.deepcopy(self.embedder).requires_grad_(False)
        self.options = options
        self.images = images
        self.size = encoder.size
        self.stride = MAP_STRIDES[-1 if options.stride == 32 else -2]
        self.cells = tuple(-(-voxels // step) for voxels, step in zip(self.size, self.stride, strict=True))
        # in the checkpoint as a tensor, at hand as a number: asking a GPU's tensor would make the host wait
        self.register_buffer("steps_done", torch.zeros((), dtype=torch.int64))
        self._steps_done = 0
        self.register_load_state_dict_post_hook(_note_steps)  # type: ignore[no-untyped-call]

    @property
    def encoder(self) -> Encoder:
        """The network that is exported."""
        return self.embedder.encoder.encoder  # type: ignore[return-value]

    @property
    def collapse_loss(self) -> float | None:
        """The loss when all embeddings are equal, log(1 + N-); None where it differs from batch to batch."""
        if self.options.position_gap or not self.options.same_patient:
            return None
        return math.log(1 + (self.images - 1) * math.prod(self.cells))

    def parameter_groups(self) -> dict[str, list[Parameter]]:
        """Return the parameters of encoder and head, under the one optimizer; the keys' have none."""
        return {OPTIMIZER: list(self.embedder.parameters())}

    def restart_keys(self) -> None:
        """Make the keys' encoder and head equal to the queries', after other weights were loaded into them."""
        self.keys.load_state_dict(self.embedder.state_dict())

    def steps(self, batch: Batch) -> Iterator[Step]:
        """Yield the batch's one step.

        Logs: the loss, the mean cosine of positives and of negatives, and the share of cells that have a positive.
        """
        warming = self._steps_done < self.options.warmup_steps
        result, queries = self._contrast(batch, "geometric" if warming else self.options.positives)
        loss = result.loss
        logs = {
            "loss": loss.detach(),
            "positive_cosine": result.positive_cosine,
            "negative_cosine": result.negative_cosine,
            "matched_cells": result.matched,
        }
        cells = queries.flatten(0, 1)
        yield Step(OPTIMIZER, loss, logs, cells[:: -(-len(cells) // WATCHED_CELLS)])

    def validate(self, batch: Batch) -> dict[str, Tensor]:
        """Return the mean loss over the batch's views; positives are found as after the warm-up."""
        result, _ = self._contrast(batch, self.options.positives)
        return {
            "loss": result.loss,
            "positive_cosine": result.positive_cosine,
            "negative_cosine": result.negative_cosine,
            "matched_cells": result.matched,
            "weight": result.views.clamp_min(1),
        }

    @torch.no_grad()
    def after_step(self, epoch: int, step: int) -> None:
        """Move the keys' weights towards the queries'; batch norms of the keys have statistics of their own."""
        for key, query in zip(self.keys.parameters(), self.embedder.parameters(), strict=True):
            key.lerp_(query, 1 - self.options.momentum)
        self.steps_done.fill_(step)  # type: ignore[operator]
        self._steps_done = step

    def _contrast(self, batch: Batch, positives: Positives) -> tuple[_Contrast, Tensor]:
        """Both directions of the loss over the whole batch, on every rank, and the queries' cells (M, n, C)."""
        views = len(batch.cases)
        features = self.embedder.features(batch.volumes, views)
        queries = _cells(self.embedder.projection(features))
        with torch.no_grad():
            key_features = self.keys.features(batch.volumes, views)
            keys = _cells(self.keys.projection(key_features))
        negatives = to_device(torch.from_numpy(self._negatives(batch.plan.targets)), queries.device)
        placed = self._placed(batch, views) if positives == "geometric" else None
        directions = []
        for mine, theirs in ((slice(0, None, 2), slice(1, None, 2)), (slice(1, None, 2), slice(0, None, 2))):
            if placed is None:
                match = feature_matches(features[mine], key_features[theirs])
                matched = torch.ones_like(match, dtype=torch.bool)
            else:
                found = geometric_matches(placed[mine], placed[theirs], self.cells, self.size, self.stride)
                match, matched = (to_device(each, queries.device) for each in found)
            directions.append(
                dense_local(queries[mine], keys[theirs], match, matched, negatives, self.options.temperature)
            )
        return _both(directions, queries.shape[1]), queries

    def _placed(self, batch: Batch, views: int) -> Tensor:
        """Where each view of the whole batch lies in its stored image, (M, 3, 4) on the CPU."""
        assert batch.views is not None
        return gather_rows(batch.views, views) if self.training else batch.views

    def _negatives(self, targets: dict[str, NDArray[Any]]) -> NDArray[np.bool_]:
        """Whether the cells of one image are negatives of those of another, (B, B)."""
        image, patient, position = (targets[name][0::2] for name in ("image", "patient", "position"))
        negative = np.asarray(image[:, None] != image[None, :])
        if not self.options.same_patient:
            negative &= patient[:, None] != patient[None, :]
        if self.options.position_gap:
            # not "far >= gap": positions of volumes are not numbers, and are near to none
            negative &= ~(np.abs(position[:, None] - position[None, :]) < self.options.position_gap)
        return negative


def _note_steps(module: Dense, incompatible_keys: object) -> None:
    module._steps_done = int(module.steps_done)  # type: ignore[arg-type]


class GridOfCells(nn.Module):
    """The map of an encoder that dense heads see.

    Args:
        encoder: a ResNet.
        stride: 32: stage 4; 16: stage 3 with stage 4 enlarged beside it.
    """

    def __init__(self, encoder: Encoder, stride: Stride) -> None:
        super().__init__()
        self.encoder = encoder
        self.stride = stride

    def forward(self, volumes: Tensor) -> Tensor:
        """Return the map of (B, C, D, H, W), one row a cell: (B, channels, D', H', W')."""
        *_, finer, coarse = feature_maps(self.encoder, volumes)
        if self.stride == 32:
            return coarse
        factor = (1 if self.encoder.flat else 2, 2, 2)
        enlarged = interpolate(coarse, scale_factor=factor, mode="trilinear", align_corners=False)
        z, y, x = finer.shape[2:]
        return torch.cat([finer, enlarged[:, :, :z, :y, :x]], dim=1)


class _Contrast(NamedTuple):
    """Means over both directions; only `loss` carries a gradient.

    `matched` is the share of cells that have a positive, `views` how many views have a cell with one.
    """

    loss: Tensor
    positive_cosine: Tensor
    negative_cosine: Tensor
    matched: Tensor
    views: Tensor


def _both(directions: list[DenseLocal], cells: int) -> _Contrast:
    """Join the two directions: a mean over the views that have a positive."""
    every = DenseLocal(*(torch.cat(parts) for parts in zip(*directions, strict=True)))
    there = every.matched > 0
    views = there.sum()
    return _Contrast(
        loss=every.mean(),
        positive_cosine=every.positive_cosine.sum() / views.clamp_min(1),
        negative_cosine=every.negative_cosine.sum() / views.clamp_min(1),
        matched=every.matched.to(every.loss.dtype).mean() / cells,
        views=views,
    )


def _cells(embeddings: Tensor) -> Tensor:
    """(M, C, D, H, W) to (M, n, C)."""
    return embeddings.flatten(2).transpose(1, 2)
