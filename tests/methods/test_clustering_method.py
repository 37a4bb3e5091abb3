"""Contrastive clustering: known losses, the two phases, what is frozen, what each option changes, its state."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from medcl.data.loader import Batch
from medcl.data.plan import BatchPlan
from medcl.methods.clustering import Clustering, ClusteringOptions
from medcl.networks.cluster_head import ClusterHead
from medcl.networks.clustering_network import build_clustering_network
from medcl.study.errors import RunFailed

SIZE = (1, 16, 16)
IMAGES = 12
SWITCH = 2


def images(kinds: int = 3, number: int = IMAGES, size: tuple[int, int, int] = SIZE) -> Tensor:
    """Noise in (number, 1, *size) around as many pictures as there are kinds, in turn."""
    generator = torch.Generator().manual_seed(4)
    pictures = torch.rand(kinds, 1, *size, generator=generator)
    kind = torch.arange(number) % kinds
    return pictures[kind] + 0.05 * torch.rand(number, 1, *size, generator=generator)


def batch_of(volumes: Tensor) -> Batch:
    rows = np.arange(len(volumes))
    return Batch(volumes, {}, [f"P{row}" for row in rows], BatchPlan(rows, rows))


def views() -> Batch:
    """Two noisy views of each image."""
    twice = images().repeat_interleave(2, dim=0)
    return batch_of(twice + 0.02 * torch.rand(twice.shape, generator=torch.Generator().manual_seed(5)))


def overview() -> Iterator[Batch]:
    """All images as they are, in batches of unequal size."""
    return iter([batch_of(part) for part in torch.split(images(), 5)])


def method(
    twin: type[Clustering] = Clustering, assign: Any = "cosine", room: int = 6, t: float = 0.1, **options: Any
) -> Clustering:
    torch.manual_seed(1)
    network = build_clustering_network("conv3", SIZE, most=room, assign=assign, temperature=t)
    chosen = {"contrastive_epochs": SWITCH, "clusters": 3, "most": 6} | options
    return twin(network, ClusteringOptions(**chosen), images=IMAGES).train()


def second_phase(made: Clustering) -> Clustering:
    assert made.begin_epoch(SWITCH, overview)
    return made.train()


def loss_of(made: Clustering) -> float:
    (step,) = made.steps(views())
    return step.loss.item()


def trained(made: Clustering, steps: int = 3) -> Clustering:
    """With momentum, whose velocity would move what has no gradient but is stepped."""
    (parameters,) = made.parameter_groups().values()
    optimizer = torch.optim.SGD(parameters, lr=0.1, momentum=0.9)
    for _ in range(steps):
        for step in made.steps(views()):
            optimizer.zero_grad()
            step.loss.backward()
            optimizer.step()
    return made


def copied(state: dict[str, Any]) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in state.items() if isinstance(value, Tensor)}


def same(before: dict[str, Tensor], now: dict[str, Any]) -> bool:
    return all(torch.equal(value, now[name]) for name, value in before.items())


class Flat(nn.Module):
    """A network without weights: features and embeddings are an image's voxels, and the error is known."""

    def __init__(self, features: int = 128) -> None:
        super().__init__()
        self.encoder = nn.Flatten()
        self.projection = nn.Identity()
        self.head = ClusterHead(features, 20)

    def reconstruct(self, h: Tensor, conditioned: bool) -> Tensor:
        return h.view(len(h), 1, 1, 1, -1) + 0.5


@pytest.mark.parametrize(
    ("options", "contrastive"),
    [
        ({}, 4.248795),
        ({"temperature": 0.1}, 0.022890),
        ({"decoupled": True}, math.log(510) - 2),
        ({"reconstruction_weight": 1.0}, 4.248795),
    ],
)
def test_the_first_phase_is_nt_xent_and_both_errors(options: dict[str, Any], contrastive: float) -> None:
    """256 images, views of one image alike, all others orthogonal; each view is rebuilt 0.5 too bright."""
    volumes = torch.eye(256).repeat_interleave(2, dim=0).view(512, 1, 1, 1, 256)
    made = Clustering(Flat(), ClusteringOptions(**options), images=256)  # type: ignore[arg-type]
    (step,) = made.steps(batch_of(volumes))
    weight = options.get("reconstruction_weight", 0.1)
    assert step.loss.item() == pytest.approx(contrastive + weight * (0.25 + 0.25), abs=1e-5)
    logs = {name: value.item() for name, value in step.logs.items()}
    assert logs == {
        "loss": pytest.approx(step.loss.item()),
        "contrastive": pytest.approx(contrastive, abs=1e-5),
        "reconstruction": pytest.approx(0.5, abs=1e-6),
        "positive_cosine": pytest.approx(1),
        "negative_cosine": pytest.approx(0, abs=1e-6),
    }
    assert step.embeddings is not None
    assert step.embeddings.shape == (512, 256)


def test_the_second_phase_is_both_errors_alone() -> None:
    made = Clustering(Flat(), ClusteringOptions(clusters=2), images=8)  # type: ignore[arg-type]
    volumes = torch.eye(128)[:16].view(16, 1, 1, 1, 128)
    made.begin_epoch(50, lambda: iter([batch_of(volumes)]))
    (step,) = made.steps(batch_of(volumes))
    assert step.loss.item() == pytest.approx(0.5)
    assert set(step.logs) == {"loss", "reconstruction", "assignment_entropy", "largest_cluster"}
    assert step.embeddings is None


def test_the_targets_are_the_views_and_not_the_images() -> None:
    made = method()
    (step,) = made.steps(views())
    rebuilt = made.network.reconstruct(made.network.encoder(views().volumes), conditioned=False)
    errors = (rebuilt - views().volumes).square().flatten(1).mean(1)
    torch.testing.assert_close(step.logs["reconstruction"], (errors[0::2] + errors[1::2]).mean().detach())


@pytest.mark.parametrize("options", [{"temperature": 0.1}, {"decoupled": True}, {"reconstruction_weight": 1.0}])
def test_options_change_the_loss_of_the_first_phase(options: dict[str, Any]) -> None:
    assert loss_of(method(**options)) != pytest.approx(loss_of(method()), abs=1e-4)


@pytest.mark.parametrize("options", [{"assign": "euclidean"}, {"t": 1.0}, {"clusters": 2}])
def test_options_change_the_loss_of_the_second_phase(options: dict[str, Any]) -> None:
    changed, plain = (second_phase(made) for made in (method(**options), method()))
    assert loss_of(changed) != pytest.approx(loss_of(plain), abs=1e-6)


def test_the_clustering_gets_its_options(monkeypatch: pytest.MonkeyPatch) -> None:
    from medcl.methods import clustering

    asked: list[Any] = []
    original = clustering.find_prototypes
    monkeypatch.setattr(
        clustering,
        "find_prototypes",
        lambda h, wanted, **named: asked.append((wanted, named)) or original(h, 3, seed=0),
    )
    second_phase(method(clusters=None, most=5, kind="mixture", seed=7))
    assert asked == [(None, {"most": 5, "seed": 7, "kind": "mixture"})]


def test_phases_change_at_the_epoch_that_was_chosen_and_once() -> None:
    made = method()
    for epoch in range(SWITCH):
        assert made.begin_epoch(epoch, overview) == []
        assert made.found is None
    assert made.begin_epoch(SWITCH, overview) != []
    found = made.found
    trained(made.train())
    assert made.begin_epoch(SWITCH, overview) == [], "a run resumed in the middle of the epoch"
    assert made.begin_epoch(SWITCH + 1, overview) == []
    assert made.found is found


def test_prototypes_are_those_of_the_images_as_the_frozen_encoder_sees_them() -> None:
    made = trained(method())
    before = copied(made.state_dict())
    second_phase(made)
    assert same({name: value for name, value in before.items() if ".head." not in name}, made.state_dict())
    with torch.no_grad():
        h = made.eval().network.encoder(images())
    assert made.found is not None
    for cluster in range(3):
        mean = h[torch.from_numpy(made.found.labels == cluster)].mean(dim=0)
        torch.testing.assert_close(made.network.head.prototypes[cluster], mean, atol=1e-5, rtol=1e-4)
    assert made.network.head.clusters == 3
    assert made.network.head.scale.item() == pytest.approx(made.found.scale)
    assert sorted(made.found.sizes) == [4, 4, 4]


def encoder_stays(made: Clustering) -> bool:
    """Whether encoder, projection and head, buffers included, are the same before and after the second phase."""
    parts = [part.state_dict() for part in (made.network.encoder, made.network.projection, made.network.head)]
    before = [copied(part) for part in parts]
    trained(made)
    made.eval().train()
    trained(made)
    after = [part.state_dict() for part in (made.network.encoder, made.network.projection, made.network.head)]
    return all(same(*pair) for pair in zip(before, after, strict=True))


class Drifting(Clustering):
    """The public code's fault: frozen weights, and batch norms in training mode."""

    def _frozen_modes(self) -> None:
        pass


class Unfrozen(Clustering):
    """The encoder goes on learning."""

    def _follow_phase(self) -> None:
        pass

    def _frozen_modes(self) -> None:
        pass

    def _second_phase(self, volumes: Tensor, images: int | None) -> Any:
        h = self.network.encoder(volumes)
        return super()._second_phase(volumes, images)._replace(loss=self._reconstruction(volumes, h, images))


def test_the_second_phase_leaves_the_encoder_bit_for_bit() -> None:
    made = second_phase(trained(method()))
    decoder = copied(made.network.decoder.state_dict())
    assert encoder_stays(made)
    changed = [
        name for name, value in made.network.decoder.state_dict().items() if not torch.equal(value, decoder[name])
    ]
    assert len(changed) == len(decoder), "all of the decoder learns"


@pytest.mark.parametrize("twin", [Drifting, Unfrozen])
def test_an_encoder_that_drifts_is_noticed(twin: type[Clustering]) -> None:
    assert not encoder_stays(second_phase(trained(method(twin))))


def taught(made: Clustering) -> set[str]:
    """Parameters that get a gradient which is not all zero."""
    made.zero_grad(set_to_none=True)
    (step,) = made.steps(views())
    step.loss.backward()
    named = made.network.named_parameters()
    return {name for name, weight in named if weight.grad is not None and bool(weight.grad.any())}


def test_gradients_go_to_all_but_the_condition_first_and_to_the_decoder_only_then() -> None:
    made = method()
    every = {name for name, _ in made.network.named_parameters()}
    condition = {name for name in every if name.startswith("decoder.condition.")}
    assert len(condition) == 2
    # what follows in a batch norm takes a constant off again: the gradient of a bias before one is rounding
    assert taught(made) | {name for name in every if name.endswith(".bias")} >= every - condition
    assert not taught(made) & condition
    second_phase(made)
    decoder = {name for name in every if name.startswith("decoder.")}
    assert {name for name in taught(made) if not name.startswith("decoder.")} == set()
    assert taught(made) >= {name for name in decoder if name.endswith(".weight")}
    assert condition <= taught(made)


def test_an_encoder_that_is_not_cut_off_is_noticed() -> None:
    assert any(name.startswith("encoder.") for name in taught(second_phase(method(Unfrozen))))


def test_one_optimizer_holds_all_parameters_from_the_start() -> None:
    made = method()
    (groups,) = made.parameter_groups().values()
    held = [id(weight) for group in groups for weight in group["params"]]
    assert sorted(held) == sorted(id(weight) for weight in made.parameters())
    assert second_phase(made).parameter_groups() == {"main": groups}


def conditions(made: Clustering, monkeypatch: pytest.MonkeyPatch) -> list[Tensor | None]:
    """What the decoder was conditioned on in a step."""
    seen: list[Tensor | None] = []
    original = made.network.decoder.forward
    monkeypatch.setattr(
        made.network.decoder, "forward", lambda h, condition=None: seen.append(condition) or original(h, condition)
    )
    list(made.steps(views()))
    return seen


def test_the_decoder_is_conditioned_on_cosines_in_the_second_phase_only(monkeypatch: pytest.MonkeyPatch) -> None:
    made = method()
    assert conditions(made, monkeypatch) == [None]
    (given,) = conditions(second_phase(made), monkeypatch)
    with torch.no_grad():
        h = made.network.encoder(views().volumes)
    prototypes = made.network.head.prototypes[:3]
    cosines = normalize(h, dim=1) @ normalize(prototypes, dim=1).T
    assert given is not None
    torch.testing.assert_close(given[:, :3], (cosines / 0.1).softmax(dim=1))
    assert not given[:, 3:].any()
    assert not torch.allclose(given[:, :3], (h @ prototypes.T / 0.1).softmax(dim=1), atol=1e-3), "no dot product"


def test_the_condition_reaches_the_images_that_are_rebuilt() -> None:
    """The public code's conditional decoder drops its condition."""
    made = trained(second_phase(method()))
    with torch.no_grad():
        h = made.eval().network.encoder(images())
        blind, seeing = (made.network.reconstruct(h, conditioned) for conditioned in (False, True))
    assert (blind - seeing).abs().max() > 1e-4


def test_assignments_are_logged() -> None:
    made = second_phase(trained(method()))
    (step,) = made.steps(views())
    with torch.no_grad():
        soft = made.network.head(made.network.encoder(views().volumes))
    share = soft.argmax(dim=1).bincount().max().item() / len(soft)
    assert step.logs["largest_cluster"].item() == pytest.approx(share)
    entropy = -(soft * soft.clamp_min(1e-30).log()).sum(dim=1).mean().item()
    assert step.logs["assignment_entropy"].item() == pytest.approx(entropy, abs=1e-5)


@pytest.mark.parametrize("phase", [1, 2])
def test_validation_gives_the_losses_of_the_phase_and_changes_nothing(phase: int) -> None:
    made = method() if phase == 1 else second_phase(method())
    before = copied(made.state_dict())
    with torch.no_grad():
        result = made.eval().validate(views())
    assert same(before, made.state_dict())
    assert result["weight"].item() == 2 * IMAGES
    expected = result["reconstruction"] if phase == 2 else result["contrastive"] + 0.1 * result["reconstruction"]
    torch.testing.assert_close(result["loss"], expected)
    assert ("contrastive" in result) == (phase == 1)


def test_a_frozen_encoder_gives_the_same_errors_in_training_and_validation() -> None:
    made = second_phase(trained(method()))
    made.network.decoder.eval()
    with torch.no_grad():
        assert next(iter(made.steps(views()))).loss.item() == made.eval().validate(views())["loss"].item()


@pytest.mark.parametrize(("decoupled", "value"), [(False, math.log(199)), (True, math.log(198))])
def test_the_collapse_value_is_the_contrastive_loss_of_equal_embeddings(decoupled: bool, value: float) -> None:
    torch.manual_seed(1)
    options = ClusteringOptions(decoupled=decoupled, clusters=3, contrastive_epochs=0)
    made = Clustering(build_clustering_network("conv3", SIZE), options, images=100)
    assert made.collapse_loss == pytest.approx(value)
    last = made.network.decoder.layers[-1]  # as after the warm-up: the mean image is what is rebuilt
    nn.init.zeros_(last.weight)
    nn.init.constant_(last.bias, 0.5)
    (step,) = made.steps(batch_of(torch.rand(1, 1, *SIZE).round().expand(200, 1, *SIZE)))
    assert step.logs["contrastive"].item() == pytest.approx(value, abs=1e-4)
    assert step.loss.item() == pytest.approx(value, rel=0.01), "what the watch compares"
    second_phase(made)
    assert made.collapse_loss is None


def test_there_is_no_collapse_value_where_reconstruction_weighs_too_much() -> None:
    network = build_clustering_network("conv3", SIZE)
    made = [Clustering(network, ClusteringOptions(reconstruction_weight=w), images=512) for w in (0.1, 1.0)]
    assert made[0].collapse_loss == pytest.approx(math.log(1023))
    assert made[1].collapse_loss is None


@pytest.mark.parametrize("phase", [1, 2])
def test_a_loaded_state_goes_on_like_the_one_that_was_saved(phase: int, tmp_path: Any) -> None:
    made = trained(method()) if phase == 1 else trained(second_phase(trained(method())))
    torch.save(made.state_dict(), tmp_path / "state.pt")
    other = method(clusters=3)
    other.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    frozen = [not weight.requires_grad for weight in other.network.encoder.parameters()]
    assert all(frozen) if phase == 2 else not any(frozen)
    assert other.network.encoder.training == (phase == 1)
    if phase == 2:
        assert made.found is not None
        assert other.found is not None
        np.testing.assert_array_equal(made.found.centres, other.found.centres)
        np.testing.assert_array_equal(made.found.labels, other.found.labels)
        for name in ("inertia", "scale", "notes", "elbow", "bic"):
            assert getattr(made.found, name) == getattr(other.found, name)
        assert other.begin_epoch(SWITCH, overview) == []
    else:
        assert made.begin_epoch(SWITCH, overview) == other.begin_epoch(SWITCH, overview)
    trained(made.train())
    trained(other.train())
    assert same(copied(made.state_dict()), other.state_dict())


def test_a_state_of_the_first_phase_thaws_the_encoder() -> None:
    early = method().state_dict()
    made = second_phase(method())
    made.load_state_dict(early)
    assert made.found is None
    assert made.network.encoder.training
    assert all(weight.requires_grad for weight in made.parameters())


def test_what_was_found_is_told() -> None:
    told = method().begin_epoch(SWITCH, overview)
    assert told[0] == "KMeans finds 3 clusters (as asked) in 12 training images, of 4, 4, 4 images."
    assert len(told) == 1
    by_itself = method(clusters=None).begin_epoch(SWITCH, overview)
    assert "3 clusters (at the elbow)" in by_itself[0]


def test_clusters_that_an_assignment_leaves_empty_are_told() -> None:
    """Three groups on one ray from the origin have one direction: by cosine, two of them stay empty."""
    rays = torch.tensor([1.0, 2.0, 3.0]).repeat_interleave(4)[:, None] * torch.ones(1, 128)
    given = [batch_of(rays.view(12, 1, 1, 1, 128))]
    told = {}
    for assign in ("cosine", "euclidean"):
        made = Clustering(Flat(), ClusteringOptions(clusters=3, contrastive_epochs=0), images=8)  # type: ignore[arg-type]
        made.network.head.assign = assign
        told[assign] = made.begin_epoch(0, lambda: iter(given))
    assert len(told["euclidean"]) == 1
    _, moved, empty = told["cosine"]
    assert "8 of 12 training images (66.7%)" in moved
    assert "nearest to the prototype of cluster 2, 3 by --assign cosine" in empty


def constant() -> Iterator[Batch]:
    return iter([batch_of(torch.full((9, 1, *SIZE), 0.5))])


def few() -> Iterator[Batch]:
    return iter([batch_of(images(number=2))])


@pytest.mark.parametrize(
    ("given", "words"), [(constant, "constant"), (few, "3 clusters cannot be found in 2 training")]
)
def test_images_that_cannot_be_clustered_are_refused(given: Callable[[], Iterator[Batch]], words: str) -> None:
    with pytest.raises(RunFailed, match=words):
        method().begin_epoch(SWITCH, given)


def test_a_head_with_too_little_room_is_refused() -> None:
    with pytest.raises(ValueError, match="room for 4"):
        method(room=4, clusters=5)
    with pytest.raises(ValueError, match="room for 4"):
        method(room=4, clusters=None, most=5)


def test_volumes_pass_through_both_phases() -> None:
    torch.manual_seed(1)
    network = build_clustering_network("conv3", (16, 16, 16), most=2)
    made = Clustering(network, ClusteringOptions(clusters=2, contrastive_epochs=0), images=2)
    volumes = images(2, 4, (16, 16, 16))
    first = next(iter(made.steps(batch_of(volumes)))).loss
    made.begin_epoch(0, lambda: iter([batch_of(volumes)]))
    second = next(iter(made.steps(batch_of(volumes)))).loss
    assert bool(torch.isfinite(torch.stack([first, second])).all())
