"""Contrastive clustering finds the shapes in images where clusters of the pixels do not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from medcl.data.augment import Augmentation
from medcl.data.cluster_task import ClusterTask
from medcl.data.loader import Loader
from medcl.data.source import TaskSource
from medcl.data.task_options import TaskOptions
from medcl.methods.clustering import Clustering, ClusteringOptions
from medcl.networks.clustering_network import build_clustering_network
from medcl.training.loop import train
from medcl.training.randomness import seed_everything
from medcl.training.settings import TrainingSettings
from tests.methods.shapes_study import SHAPES, shapes_study

CPU = torch.device("cpu")
IMAGES, BATCH = 240, 80
EPOCHS, SECOND = 40, 4
VIEWS = Augmentation(
    affine_probability=1.0,
    rotation_degrees=180.0,
    scale=0.3,
    crop=(0.6, 1.0),
    noise_sd=0.1,
    brightness=0.2,
    contrast=0.4,
)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_shapes_are_clustered_by_what_they_are(tmp_path: Path, seed: int) -> None:
    samples, truth = shapes_study(seed, images=IMAGES)
    task = ClusterTask(samples, TaskOptions(seed=seed, epochs=EPOCHS, batch_size=BATCH))
    seed_everything(seed)
    options = ClusteringOptions(contrastive_epochs=EPOCHS - SECOND, clusters=len(SHAPES), seed=seed)
    method = Clustering(build_clustering_network("conv3", samples.size), options, images=BATCH)
    source = TaskSource(task, Loader(samples, VIEWS, seed, CPU, cache_bytes=1 << 30))
    settings = TrainingSettings(epochs=EPOCHS, optimizer="adam", lr=0.003, precision="fp32", seed=seed)
    train(method, source, settings, tmp_path, device=CPU)
    assert method.found is not None
    pixels = np.stack([samples.store.read(entry).ravel() for entry in samples.entries])
    of_pixels = KMeans(len(SHAPES), n_init=10, random_state=0).fit(pixels).labels_
    assert adjusted_rand_score(truth, of_pixels) < 0.5
    assert adjusted_rand_score(truth, method.found.labels) > 0.8

    shown = torch.from_numpy(pixels).view(-1, 1, *samples.size)
    with torch.no_grad():
        assigned = method.eval().network.head(method.encoder(shown)).argmax(dim=1)
    assert adjusted_rand_score(truth, assigned.numpy()) > 0.8, "by cosine too"
