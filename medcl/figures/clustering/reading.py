"""How the clustering page is to be read, in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from medcl.figures.clustering.cluster import Cluster
from medcl.figures.clustering.cluster_maps import ClusterMaps
from medcl.figures.clustering.marks import DISTINCT
from medcl.figures.colouring import OTHER
from medcl.figures.labels import capital, number, readable
from medcl.figures.planes import BRIGHTEST
from medcl.study.plural import counted

PROTOTYPES = (
    "A prototype is the centre of a cluster as the decoder draws it, no patient's image. Beside it stand the real "
    "images whose features lie nearest to the centre, the nearest first. The number of a cluster means nothing."
)
FEATURES = (
    "The map only shows the clusters, it did not make them: groups that it joins or parts may be apart or joined among "
    "all features. The number on the map is the cluster's; each cluster has a colour and a shape of its own."
)
STABILITY = (
    "Adjusted Rand index: how far two clusterings put the same images together; 1 is the same clusters, 0 what chance "
    "would give. Words for the mean follow Steinley (Psychological Methods, 2004)."
)


def reading_notes(clusters: Sequence[Cluster], maps: ClusterMaps | None, repeated: bool, white: float) -> list[str]:
    """What a reader must know before believing the page.

    Args:
        clusters: of the page.
        maps: images on maps, if there are.
        repeated: whether stability is shown.
        white: the intensity drawn white.
    """
    said = []
    if maps is not None:
        said += [FEATURES, *_of_maps(maps), *maps.notes, *(note for found in maps.maps for note in found.notes)]
    if len(clusters) > DISTINCT:
        said.append(f"Beyond {DISTINCT} clusters marks repeat: tell them apart by their numbers.")
    pictures = [cluster for cluster in clusters if cluster.prototype is not None or cluster.nearest]
    if pictures:
        said.append(PROTOTYPES)
        said.append(
            f"Pictures of images, prototypes and reconstructions run from 0 (black) to {number(white)} (white), the "
            f"{100 * BRIGHTEST:g}th percentile of the images' pixels above 0."
        )
    return said + ([STABILITY] if repeated else [])


def _of_maps(maps: ClusterMaps) -> list[str]:
    said = []
    if "train" in maps.points.splits:
        said.append(
            "The encoder and the clusters were made from the training patients' images. Judge what goes along with the "
            "clusters by the held-out patients (large, dark outline)."
        )
    shown = maps.colouring
    if shown is None:
        return said
    name, gone = capital(readable(shown.name)), int(shown.missing.sum())
    if gone:
        said.append(
            f"{name} is missing for {counted(gone, 'point')} of the map: drawn as grey crosses; nothing was filled in."
        )
    if shown.censored:
        said.append(f"{counted(len(shown.censored), 'value')} of {name} given as a limit: coloured as that limit.")
    if shown.kind == "categorical" and OTHER in shown.classes():
        said.append(f"Only the seven most frequent classes of {name} have a colour of their own; the others share one.")
    return said
