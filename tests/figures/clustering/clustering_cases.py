"""A small clustering for the tests of its page: squares of three sizes, with everything that a page may show."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medcl.figures.clustering.cluster import Cluster, Example
from medcl.figures.clustering.cluster_maps import ClusterMaps
from medcl.figures.clustering.elbow import Elbow
from medcl.figures.clustering.page import clustering_page
from medcl.figures.clustering.reconstructions import Reconstruction
from medcl.figures.clustering.score_table import ScoreTable
from medcl.figures.clustering.stability import Agreement
from medcl.figures.clustering.still import Hanging
from medcl.figures.clustering.strata import Strata, StratumRow
from medcl.figures.colouring import Colouring
from medcl.figures.maps import Map
from medcl.figures.points import Points

COUNT = 12
GFR = Colouring("gfr", "mL/min/1.73m2", "numeric", np.array([*np.linspace(20, 90, COUNT - 1), np.nan]))
PLACES = np.random.default_rng(0).normal(size=(COUNT, 2))
MAPS = (
    Map("tsne", PLACES, ("t-SNE 1", "t-SNE 2"), "t-SNE, seed 0", notes=["Only 12 rows."]),
    Map("pca", PLACES[:, ::-1] * 3, ("PC1 (80.0 % of variance)", "PC2 (10.0 % of variance)"), "PCA exact"),
)


def square(side: int, size: int = 8, bright: float = 0.8) -> NDArray[np.float32]:
    """An image with a bright square at its top left."""
    made = np.zeros((size, size), np.float32)
    made[:side, :side] = bright
    return made


def example(side: int, number: int = 0, split: str = "test") -> Example:
    return Example(square(side), f"P{number:03d}", "M3", split)


def clusters(count: int = 3) -> list[Cluster]:
    """Clusters "1", "2", ... with pictures."""
    return [
        Cluster(str(k + 1), {"train": 10 + k, "test": k}, square(k % 7 + 1), (example(k % 7 + 1, k),))
        for k in range(count)
    ]


def points(ids: bool = True) -> Points:
    splits = ["train"] * 6 + ["val"] * 2 + ["test"] * 4
    return Points([f"P{row // 2:03d}" for row in range(COUNT)], ["M3"] * COUNT, [""] * COUNT, splits, [GFR], ids)


def shown(colouring: Colouring | None = GFR, count: int = 3) -> ClusterMaps:
    return ClusterMaps(points(), np.arange(COUNT) % count, MAPS, colouring, ("Drawn at random.",))


REBUILT = (
    Reconstruction(example(3, 40), square(3, bright=0.7), 2),
    Reconstruction(example(5, 41, "train"), square(4), 0),
)
ELBOW = Elbow({k: 100.0 / k for k in range(2, 9)}, 3, True)
STRATA = Strata(
    (
        StratumRow("donor_age", "years", ("50 [44–61] (31)", "51 [45–60] (7)", "–"), 0.081, "ε²", 0.0312, 12),
        StratumRow("sex", "", ("F 41%\nM 59% (35)", "F 50% (2)", "–"), None, "", None, 3, "too few to test"),
        StratumRow("gfr", "mL/min/1.73m2", ("58 (33)", "41 (30)", "70 (12)"), 0.43, "ε²", 1e-6, 4),
    ),
    "Holm",
)
AGREEMENTS = (
    Agreement("other seeds", (0.9, 0.95, 1.0), 0.91, 0.99, "95%, bootstrap"),
    Agreement("bootstrap", (0.4, 0.6), None, None),
)
SCORES = ScoreTable(
    "Classification", ("Method", "Images", "Accuracy", "AUC"), (("kNN", 624, 0.8817, None),), "Of test images."
)


def whole(**changed: Any) -> str:
    """The page with every block, or with others."""
    plain: dict[str, Any] = {
        "name": "run-clusters", "patients": 6, "run": "cluster-seed0", "maps": shown(), "reconstructed": REBUILT,
        "hanging": Hanging(patient_axes=False), "numbers": ELBOW, "strata_found": STRATA, "agreements": AGREEMENTS,
        "scores": [SCORES], "head": {"Run": "r"}, "facts": {"Seed": "7"}, "said": ["Look."],
    }  # fmt: skip
    return clustering_page(changed.pop("clusters", clusters()), **(plain | changed))
