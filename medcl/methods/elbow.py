"""The elbow of a KMeans curve: the number of clusters after which more clusters help little.

Both axes are scaled to 0..1; the elbow is the point that lies farthest below the chord between the curve's ends
(Satopaa et al., Finding a "kneedle" in a haystack, ICDCS Workshops 2011; yellowbrick's KElbowVisualizer does likewise).
Some point always lies farthest, so that the rule finds an elbow in anything. Ours: there is one only where the curve
leaves the chord by `LEAST_DISTANCE` (noise of many dimensions falls almost along it) and turns, too: the last cluster
helped at least `LEAST_TURN` times as much as the next would (noise in a plane bends smoothly).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

LEAST_DISTANCE = 0.3
"""Uniform and normal noise of 10 and of 64 dimensions stayed below 0.27, of 2 dimensions at 0.48 to 0.57; four groups
that lie apart came to 0.57 and more, twelve to 0.37."""

LEAST_TURN = 2.0
"""Noise of 2 dimensions stayed at 1.1 to 1.8; groups whose number the elbow told right came to 4.3 and more."""


@dataclass(frozen=True)
class Elbow:
    """A point of the curve.

    Attributes:
        clusters: K, of the largest distance.
        distance: how far it lies below the chord, as a share of the whole fall; below 0 where the curve is above.
        turn: what the K-th cluster took off the sum of squares, over what the next takes off; 0 at the curve's ends.
    """

    clusters: int
    distance: float
    turn: float

    @property
    def clear(self) -> bool:
        """Whether this is an elbow, and not just the lowest point of a curve without one."""
        return self.distance >= LEAST_DISTANCE and self.turn >= LEAST_TURN


def find_elbow(inertia: Mapping[int, float]) -> Elbow:
    """Return the point farthest below the chord; of equal ones, that of the fewest clusters.

    The ends of the curve lie on the chord and are taken only where nothing lies below it.

    Args:
        inertia: sum of squared distances to the own centre by number of clusters, at least one, in ascending order.
    """
    clusters, squares = np.array(list(inertia)), np.array(list(inertia.values()), dtype=np.float64)
    fall = squares[0] - squares[-1]
    if len(clusters) < 3 or fall <= 0:
        return Elbow(int(clusters[0]), 0.0, 0.0)
    along = (clusters - clusters[0]) / (clusters[-1] - clusters[0])
    distance = 1 - along - (squares - squares[-1]) / fall
    at = int(distance.argmax())
    if at in (0, len(clusters) - 1):
        return Elbow(int(clusters[at]), 0.0, 0.0)
    last, following = squares[at - 1] - squares[at], squares[at] - squares[at + 1]
    turn = last / following if following > 0 else float("inf")
    return Elbow(int(clusters[at]), float(distance[at]), float(turn))
