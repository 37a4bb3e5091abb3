"""The networks of clustering together: shapes for every encoder, what is trained by what, saving."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from medcl.networks.clustering_network import ClusteringNetwork, build_clustering_network
from medcl.networks.projection import Projection
from medcl.study.errors import BadInput
from medcl.training.export import export_encoder, load_encoder_weights

SIZES = [(1, 28, 28), (1, 30, 45), (16, 24, 20)]


def built(size: tuple[int, int, int] = (1, 28, 28), network: str = "conv3", **named: object) -> ClusteringNetwork:
    torch.manual_seed(0)
    return build_clustering_network(network, size, most=5, **named)


def clustered(size: tuple[int, int, int] = (1, 28, 28), clusters: int = 3, **named: object) -> ClusteringNetwork:
    networks = built(size, **named)
    networks.head.fix(torch.randn(clusters, networks.encoder.features), 1.0)
    return networks


@pytest.mark.parametrize("size", SIZES)
def test_shapes_with_the_papers_encoder(size: tuple[int, int, int]) -> None:
    networks = clustered(size).eval()
    with torch.inference_mode():
        h = networks.encoder(torch.rand(2, 1, *size))
        assert h.shape == (2, 128)
        assert networks.projection(h).shape == (2, 128)
        assert networks.reconstruct(h, conditioned=False).shape == (2, 1, *size)
        assert networks.reconstruct(h[:1], conditioned=True).shape == (1, 1, *size)
        assert networks.prototype_images().shape == (3, 1, *size)


@pytest.mark.parametrize(("network", "features"), [("resnet10", 512), ("vit", 384)])
def test_other_encoders_get_the_same_decoder(network: str, features: int) -> None:
    networks = clustered((1, 32, 32), network=network).eval()
    assert networks.head.prototypes.shape == (5, features)
    with torch.inference_mode():
        h = networks.encoder(torch.rand(2, 1, 1, 32, 32))
        assert networks.reconstruct(h, conditioned=True).shape == (2, 1, 1, 32, 32)
        assert networks.projection(h).shape == (2, 128)


def test_the_projection_is_the_papers() -> None:
    projection = built().projection
    assert [tuple(w.shape) for w in projection.parameters() if w.ndim == 2] == [(256, 128), (256, 256), (128, 256)]
    assert sum(weight.numel() for weight in projection.parameters()) == 129 * 256 + 257 * 256 + 257 * 128
    features = torch.randn(3, 128)
    assert torch.equal(projection.train()(features), projection.eval()(features))
    torch.testing.assert_close(projection(features).norm(dim=1), torch.ones(3))


def test_the_decoder_sees_the_soft_assignment_of_the_features() -> None:
    networks, h = clustered().eval(), torch.randn(2, 128)
    conditioned = networks.reconstruct(h, conditioned=True)
    assert torch.equal(conditioned, networks.decoder(h, networks.head(h)))
    assert torch.equal(networks.reconstruct(h, conditioned=False), networks.decoder(h))
    assert not torch.allclose(conditioned, networks.decoder(h), atol=1e-5)


def test_options_of_the_assignment_arrive() -> None:
    networks = clustered(assign="euclidean", temperature=0.7)
    assert (networks.head.assign, networks.head.temperature, networks.head.most) == ("euclidean", 0.7, 5)
    other, h = clustered().eval(), torch.randn(2, 128)
    assert not torch.allclose(networks.head(h), other.head(h))


def test_both_phases_together_reach_every_weight() -> None:
    networks = clustered()
    h = networks.encoder(torch.rand(4, 1, 1, 28, 28))
    loss = networks.reconstruct(h, conditioned=True).square().mean() + networks.projection(h)[:, 0].sum()
    loss.backward()
    assert [name for name, w in networks.named_parameters() if w.grad is None or not w.grad.any()] == []


@pytest.mark.parametrize("train", [True, False])
def test_prototype_images_leave_the_network_as_it_was(train: bool) -> None:
    networks = clustered().train(train)
    networks.decoder.train()(torch.randn(8, 128))  # statistics that are not the first
    networks.decoder.train(train)
    before = {name: value.clone() for name, value in networks.state_dict().items()}
    images = networks.prototype_images()
    assert all(torch.equal(value, before[name]) for name, value in networks.state_dict().items())
    assert {module.training for module in networks.decoder.modules()} == {train}
    prototypes = networks.head.prototypes[:3]
    torch.testing.assert_close(images, networks.eval().decoder(prototypes, networks.head(prototypes)))
    assert not images.requires_grad


def test_without_prototypes_there_is_nothing_to_show() -> None:
    networks = built()
    assert networks.reconstruct(torch.randn(2, 128), conditioned=False).shape == (2, 1, 1, 28, 28)
    for ask in (networks.prototype_images, lambda: networks.reconstruct(torch.randn(2, 128), conditioned=True)):
        with pytest.raises(RuntimeError, match="not fixed yet"):
            ask()


def test_all_of_it_survives_a_file(tmp_path: Path) -> None:
    saved, fresh = clustered().eval(), built().eval()
    export_encoder(saved, tmp_path, {"architecture": {}}, stem="clustering")
    load_encoder_weights(fresh, tmp_path, stem="clustering")
    assert fresh.head.clusters == 3
    assert torch.equal(fresh.prototype_images(), saved.prototype_images())


def test_the_projection_is_built_again_from_its_card() -> None:
    projection = built().projection
    again = Projection(**projection.shape)
    again.load_state_dict(projection.state_dict())
    features = torch.randn(3, 128)
    assert torch.equal(again(features), projection(features))


def test_the_same_seed_gives_the_same_weights() -> None:
    first, second = built().state_dict(), built().state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_finite_in_bfloat16() -> None:
    networks = clustered()
    with torch.autocast("cpu", torch.bfloat16):
        h = networks.encoder(torch.rand(4, 1, 1, 28, 28))
        rebuilt, z = networks.reconstruct(h, conditioned=True), networks.projection(h)
    (rebuilt.float().square().mean() + z[:, 0].sum()).backward()
    assert all(torch.isfinite(weight.grad).all() for weight in networks.parameters())


def test_unknown_networks_and_small_images_are_refused() -> None:
    with pytest.raises(BadInput, match="--network conv4"):
        built(network="conv4")
    with pytest.raises(BadInput, match="--size 1 7 28"):
        built((1, 7, 28))
