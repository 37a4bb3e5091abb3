from __future__ import annotations

import numpy as np

from medcl.evaluation.patient_values import patients_of

PATIENTS = ["P1", "P2", "P1", "P1", "P3", "P3"]
CLUSTERS = np.array([1, 0, 1, 0, 2, 0])


def test_a_patient_is_where_most_of_their_images_are() -> None:
    found = patients_of(PATIENTS, CLUSTERS, 3)
    assert found.names.tolist() == ["P1", "P2", "P3"]
    assert found.clusters.tolist() == [1, 0, 0]
    assert (found.tied, found.several) == (1, 2)


def test_numbers_are_means_over_known_rows() -> None:
    found = patients_of(PATIENTS, CLUSTERS, 3)
    np.testing.assert_array_equal(found.numbers(np.array([1.0, np.nan, 4, np.nan, 5, 7])), [2.5, np.nan, 6])


def test_classes_are_the_most_frequent() -> None:
    found = patients_of(PATIENTS, CLUSTERS, 3)
    classes, tied = found.classes(["b", None, "b", "a", "z", "c"])
    assert classes.tolist() == ["b", "", "c"]
    assert tied == 1
    assert found.classes([None] * 6)[0].tolist() == ["", "", ""]
