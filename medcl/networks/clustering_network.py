"""The networks of contrastive clustering in one: encoder, projection, decoder, prototypes (Ferrante et al., 2023).

h = e(x) are the features that are clustered, z = p(h) what the contrastive loss sees, d(h, assignment) the image that
is rebuilt. The projection has three layers, features-256-256-128, with ReLU and without dropout; its output has the
length 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import torch
from torch import Tensor, nn

from medcl.networks.cluster_head import TEMPERATURE, Assign, ClusterHead
from medcl.networks.conv_decoder import ConvDecoder
from medcl.networks.encoder import Encoder, Size, build_encoder
from medcl.networks.projection import Projection

PROJECTION_HIDDEN = (256, 256)
PROJECTION_OUT = 128
MOST = 20
"""Clusters that the elbow is sought up to."""


class ClusteringNetwork(nn.Module):
    """Encoder, projection, decoder and head; each is called by itself.

    Args:
        encoder: images (B, 1, D, H, W) to features (B, F).
        projection: features to embeddings of length 1.
        decoder: features, and soft assignments (B, most), to images.
        head: features to soft assignments.
    """

    def __init__(self, encoder: Encoder, projection: Projection, decoder: ConvDecoder, head: ClusterHead) -> None:
        super().__init__()
        self.encoder = encoder
        self.projection = projection
        self.decoder = decoder
        self.head = head

    def reconstruct(self, h: Tensor, conditioned: bool) -> Tensor:
        """Return the images (B, 1, D, H, W) of features (B, F).

        Args:
            h: (B, F).
            conditioned: whether the decoder sees the soft assignment of `h`.

        Raises:
            RuntimeError: conditioned, and the prototypes are not fixed yet.
        """
        return cast(Tensor, self.decoder(h, self.head(h) if conditioned else None))

    @torch.no_grad()
    def prototype_images(self) -> Tensor:
        """Return the decoded prototypes, (K, 1, D, H, W), each conditioned on its own soft assignment.

        Batch norms use their running averages, and keep them, also while training.

        Raises:
            RuntimeError: the prototypes are not fixed yet.
        """
        with _evaluating(self.decoder):
            return self.reconstruct(self.head.prototypes[: self.head.clusters], conditioned=True)


def build_clustering_network(
    network: str,
    size: Size,
    *,
    most: int = MOST,
    assign: Assign = "cosine",
    temperature: float = TEMPERATURE,
) -> ClusteringNetwork:
    """Return freshly initialised networks for images of one channel; the prototypes are found later.

    Args:
        network: of the encoder, one of `NETWORKS`; the decoder is the convolutional one whatever the encoder.
        size: (z, y, x) of the images in voxels; z of 1 gives 2D networks.
        most: clusters that there is room for.
        assign: "cosine" or "euclidean".
        temperature: of the soft assignment, above 0.

    Raises:
        BadInput: the network is unknown, or the images are too small for it.
    """
    encoder = build_encoder(network, size)
    features = encoder.features
    projection = Projection(features, PROJECTION_HIDDEN, PROJECTION_OUT, dropout=0.0)
    return ClusteringNetwork(
        encoder, projection, ConvDecoder(size, features, most), ClusterHead(features, most, assign, temperature)
    )


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(training)
