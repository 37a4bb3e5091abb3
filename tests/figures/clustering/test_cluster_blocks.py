"""The blocks of the clustering page: what they draw and write is what they were given."""

from __future__ import annotations

import base64
import re

import numpy as np
import pytest

from medcl.figures.chips import POLYGONS
from medcl.figures.clustering.cluster import Cluster
from medcl.figures.clustering.cluster_maps import cluster_maps
from medcl.figures.clustering.elbow import Elbow, elbow_curve
from medcl.figures.clustering.map_traces import cluster_traces, labels
from medcl.figures.clustering.marks import DISTINCT, SYMBOLS, mark
from medcl.figures.clustering.reconstructions import Reconstruction, difference_white, reconstructions
from medcl.figures.clustering.score_table import ScoreTable, score_tables
from medcl.figures.clustering.sizes import sizes
from medcl.figures.clustering.stability import Agreement, stability, verdict
from medcl.figures.clustering.still import MOST_PIXELS, Hanging, img, still, white_of
from medcl.figures.clustering.strata import greatest_first, p_words, strata_table
from medcl.figures.colouring import Colouring
from medcl.figures.maps import Map
from medcl.figures.planes import LONGEST_SIDE
from medcl.figures.points import Points
from medcl.study.errors import BadInput
from tests.figures.clustering.clustering_cases import AGREEMENTS, ELBOW, REBUILT, SCORES, STRATA, clusters, example
from tests.figures.test_png import decoded

AS_STORED, TURNED = Hanging(patient_axes=False), Hanging()


def pixels(uri: str) -> np.ndarray:
    return decoded(base64.b64decode(uri.partition(",")[2]))


def pictures(html: str) -> list[np.ndarray]:
    return [pixels(uri) for uri in re.findall(r'src="([^"]+)"', html)]


def test_twenty_clusters_have_twenty_marks_and_twelve_shapes() -> None:
    assert len({mark(place) for place in range(20)}) == 20
    assert len({mark(place) for place in range(DISTINCT)}) == DISTINCT
    assert len({mark(place).symbol for place in range(12)}) == len(SYMBOLS) == 12
    assert set(SYMBOLS) - {"circle"} <= set(POLYGONS)
    for place in range(8):  # few clusters look as classes do
        assert mark(place).symbol == SYMBOLS[place]


def test_shapes_of_the_legend_differ() -> None:
    assert len({tuple(map(tuple, corners)) for corners in POLYGONS.values()}) == len(POLYGONS)


def test_every_row_of_a_map_has_the_mark_of_its_cluster() -> None:
    count = 40
    places = np.random.default_rng(0).normal(size=(count, 2))
    splits = ["train" if row % 3 else "test" for row in range(count)]
    points = Points(["P"] * count, [""] * count, [""] * count, splits)
    found = np.arange(count) % 20
    made = cluster_traces(points, found, Map("pca", places, ("a", "b"), ""))
    drawn = {row: trace for trace in made for row in trace["meta"]["rows"]}
    assert len(drawn) == count
    for row, trace in drawn.items():
        assert trace["marker"]["symbol"] == mark(found[row]).symbol
        assert trace["marker"]["color"] == mark(found[row]).colour
        assert trace["meta"]["keys"] == [f"split-{splits[row]}", f"cluster-{found[row]}"]
    sizes_of = {splits[row]: trace["marker"]["size"] for row, trace in drawn.items()}
    assert sizes_of["test"] > sizes_of["train"]


def test_a_name_stands_on_a_point_of_its_cluster() -> None:
    """The median of two groups of one cluster lies in between, where none of its points is."""
    places = np.array([[0.0, 0], [0, 1], [0, 2], [10, 0], [10, 1], [5, 1]])
    made = labels(np.array([0, 0, 0, 0, 0, 1]), Map("tsne", places, ("a", "b"), ""), ["one", "two"])
    assert [each["text"] for each in made] == ["<b>one</b>", "<b>two</b>"]
    assert (made[0]["x"], made[0]["y"]) in {tuple(place) for place in places[:5].tolist()}
    assert (made[1]["x"], made[1]["y"]) == (5, 1)


def test_many_images_are_drawn_at_random_and_it_is_said() -> None:
    count = 30
    features = np.random.default_rng(0).normal(size=(count, 4))
    values = np.arange(float(count))
    colouring = Colouring("gfr", "", "numeric", values, censored=frozenset(range(count)))
    names = [f"P{row}" for row in range(count)]
    points = Points(names, [""] * count, [""] * count, ["new"] * count, [colouring])
    made = cluster_maps(features, points, np.arange(count), colouring, methods=["pca"], seed=3, most=10)
    assert len(made.points) == len(made.clusters) == len(made.maps[0].coordinates) == 10
    assert made.colouring is not None
    rows = made.colouring.values.astype(int)
    assert made.points.patients == [names[row] for row in rows]
    assert made.clusters.tolist() == rows.tolist()
    assert made.points.variables[0].values.tolist() == values[rows].tolist()
    assert made.colouring.censored == frozenset(range(10))
    assert "10 of 30 images" in made.notes[0]
    again = cluster_maps(features, points, np.arange(count), colouring, methods=["pca"], seed=3, most=10)
    assert again.clusters.tolist() == made.clusters.tolist()
    every = cluster_maps(features, points, np.arange(count), colouring, methods=["pca"])
    assert len(every.points) == count
    assert every.notes == ()


def test_the_difference_picture_is_the_difference() -> None:
    html = reconstructions(REBUILT, clusters(), AS_STORED, 0.8, True)
    image, rebuilt, apart = pictures(html)[:3]
    most = difference_white(REBUILT)
    assert most == pytest.approx(0.8)
    assert np.array_equal(image, np.rint(REBUILT[0].example.pixels / 0.8 * 255).astype(np.uint8))
    assert np.array_equal(rebuilt, np.rint(REBUILT[0].rebuilt / 0.8 * 255).astype(np.uint8))
    wanted = np.abs(REBUILT[0].example.pixels - REBUILT[0].rebuilt) / most * 255
    assert np.array_equal(apart, np.rint(wanted).astype(np.uint8))
    assert (apart[:3, :3] == 32).all()  # 0.1 of 0.8
    assert not apart[3:].any()
    second = pictures(html)[5]
    assert second.max() == 255
    assert (second > 0).sum() == 25 - 16


def test_the_error_is_the_mean_square_over_all_pixels() -> None:
    assert REBUILT[0].error == pytest.approx(9 * 0.1**2 / 64)
    html = reconstructions(REBUILT, clusters(), AS_STORED, 0.8, True)
    assert f"MSE {9 * 0.1**2 / 64:.3g}" in html
    assert "Cluster 3" in html
    assert "white is 0.8 or more" in html


def test_equal_images_have_a_black_difference() -> None:
    same = Reconstruction(example(3), example(3).pixels)
    assert same.error == 0
    assert not pictures(reconstructions([same], clusters(), AS_STORED, 1.0, True))[2].any()


def test_a_padded_reconstruction_is_refused() -> None:
    with pytest.raises(BadInput, match="crop the padding"):
        Reconstruction(example(3), np.zeros((12, 12), np.float32))


def test_images_hang_as_they_lie() -> None:
    corner = np.zeros((4, 6), np.float32)
    corner[0, 0] = 1
    assert pixels(still(corner, AS_STORED, 1.0).uri)[0, 0] == 255
    assert pixels(still(corner, TURNED, 1.0).uri)[-1, -1] == 255
    deep = np.zeros((4, 4, 4), np.float32)
    deep[2, 0, 0] = 1  # the lowest slice but one, of which the middle one is drawn
    axial = pixels(still(deep, TURNED, 1.0).uri)[:LONGEST_SIDE, :LONGEST_SIDE]
    assert axial[-1, -1] == 255
    assert axial[0, 0] == 0
    stored = pixels(still(deep[::-1], AS_STORED, 1.0).uri)
    assert stored[0, 0] == 255


def test_large_images_get_smaller_and_pixels_are_as_wide_as_their_spacing() -> None:
    drawn = still(np.ones((400, 200), np.float32), AS_STORED, 1.0)
    assert (drawn.height, drawn.width) == (MOST_PIXELS, MOST_PIXELS // 2)
    assert (pixels(drawn.uri) == 255).all()
    small = still(np.ones((10, 10), np.float32), AS_STORED, 1.0)
    html = img(small, Hanging((5.0, 1.0, 2.0)), "x", 60, True)
    assert 'width="120" height="60"' in html
    assert 'class="pixels"' in html


def test_white_is_that_of_the_images() -> None:
    image = np.zeros((10, 10))
    image[:5] = 0.25
    assert white_of([image]) == 0.25
    assert white_of([]) == white_of([np.zeros((3, 3))]) == 1.0


def test_the_elbow_is_marked_at_the_number_that_was_taken() -> None:
    html = elbow_curve(ELBOW)
    assert 'data-chosen="3"' in html
    assert "K = 3</text>" in html
    across = float(re.findall(r'class="chosen" x1="([\d.]+)"', html)[0])
    dots = dict(re.findall(r'<circle cx="([\d.]+)"[^>]*><title>(\d+) clusters', html))
    assert {float(x): name for x, name in dots.items()}[across] == "3"
    assert len(dots) == len(ELBOW.inertia)
    heights = [float(y) for y in re.findall(r'<circle cx="[\d.]+" cy="([\d.]+)"', html)]
    assert heights == sorted(heights)  # falls, and y runs downwards
    assert 'class="chord"' in html


def test_where_there_is_no_elbow_it_is_said() -> None:
    html = elbow_curve(Elbow({2: 3.0, 3: 2.0, 4: 1.0}, 4, False))
    assert "no elbow" in html
    assert "chord" not in html
    given = elbow_curve(Elbow({2: 3.0, 3: 2.0, 4: 1.0}, 4, True, given=True))
    assert "given by --clusters" in given
    assert "chord" not in given
    assert "<svg" not in elbow_curve(Elbow({5: 3.0}, 5, False, given=True))
    assert "chosen=" not in elbow_curve(Elbow({2: 3.0, 3: 2.0}, 9, False, given=True))


def test_strata_stand_by_effect_size_with_all_their_numbers() -> None:
    html = strata_table(STRATA, clusters())
    names = re.findall(r'<th scope="row">([^<]*)', html)
    assert names == ["GFR (mL/min/1.73 m²)", "Donor age (years)", "Sex"]
    assert [row.name for row in greatest_first(STRATA.rows)] == ["gfr", "donor_age", "sex"]
    rows = re.findall(r"<tr>.*?</tr>", html, re.S)[1:]
    age = re.sub(r"<[^>]+>", "|", rows[1])
    for words in ("50 [44–61] (31)", "51 [45–60] (7)", "0.08", "ε²", "0.031", "|12|"):
        assert words in age, words
    assert "&lt;0.001" in rows[0]
    assert "too few to test" in rows[2]
    assert rows[2].count(">–<") == 3  # a cell, effect and p
    assert "F 41%\nM 59% (35)" in rows[2]
    assert "Cluster 3" in html
    assert "(Holm) and tell of association only: the clusters were made from images of these same patients" in html


def test_p_values_are_short_and_never_zero() -> None:
    assert [p_words(p) for p in (None, 0.0, 0.00099, 0.001, 0.0496, 1.0)] == [
        "–", "<0.001", "<0.001", "0.001", "0.050", "1.000",
    ]  # fmt: skip


def test_stability_tells_mean_interval_words_and_every_dot() -> None:
    html = stability(AGREEMENTS)
    assert len(re.findall("<circle ", html)) == 5
    assert '<td class="number">0.95</td><td>0.91 to 0.99 (95%, bootstrap)</td>' in html
    assert '<td class="number">0.50</td><td>–</td><td>other clusters come out each time' in html
    assert stability([Agreement("none", ())]).count(">–<") == 2
    assert "below chance" in stability([Agreement("below chance", (-0.2,))])


def test_words_follow_the_limits() -> None:
    words = [verdict(mean) for mean in (1.0, 0.9, 0.89, 0.8, 0.79, 0.65, 0.64, -0.1)]
    assert words[0] == words[1] != words[2] == words[3] != words[4] == words[5] != words[6] == words[7]
    assert verdict(float("nan")) == "not known"


def test_scores_are_shown_as_what_they_are() -> None:
    html = score_tables([SCORES, ScoreTable("left out", ("a",), ())])
    assert '<td class="number">624</td><td class="number">0.882</td><td>–</td>' in html
    assert '<th scope="row">kNN</th>' in html
    assert "left out" not in html
    assert score_tables([]) == ""
    with pytest.raises(ValueError, match="zip"):
        score_tables([ScoreTable("t", ("a", "b"), (("x", 1.0, 2.0),))])


def test_sizes_sum_up_by_split() -> None:
    html = sizes([Cluster("a", {"train": 30, "test": 10}), Cluster("b", {"train": 1200})])
    assert re.findall(r'class="number">([^<]*)</t[hd]>', html) == [
        "Training", "Held-out", "All", "30", "10", "40", "3.2%", "1,200", "0", "1,200", "96.8%", "1,230", "10", "1,240",
    ]  # fmt: skip
    assert "0.0%" in sizes([Cluster("a", {}), Cluster("b", {"new": 2})])
