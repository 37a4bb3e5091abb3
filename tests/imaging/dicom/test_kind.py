"""What an image shows, by its standard fields."""

from __future__ import annotations

import pytest

from medcl.imaging.dicom.kind import LEFT_OUT, component, refused_class


@pytest.mark.parametrize(
    ("values", "description", "shows"),
    [
        (["ORIGINAL", "PRIMARY", "AXIAL"], "", "magnitude"),
        (["ORIGINAL", "PRIMARY", "M", "ND", "NORM"], "fat sat", "magnitude"),
        (["DERIVED", "PRIMARY", "DIXON", "WATER"], "", "water"),
        (["DERIVED", "PRIMARY", "DIXON", "W"], "", "water"),
        (["ORIGINAL", "PRIMARY", "M_FFE", "F"], "", "fat"),
        (["ORIGINAL", "PRIMARY", "OUT_PHASE"], "", "out-phase"),
        (["ORIGINAL", "PRIMARY", "IP"], "", "in-phase"),
        (["DERIVED", "SECONDARY", "OTHER"], "FAT: Ax LAVA-Flex art", "fat"),
        (["DERIVED", "SECONDARY", "OTHER"], "OutPhase: Ax LAVA-Flex art", "out-phase"),
        (["ORIGINAL", "PRIMARY", "R", "ND"], "", f"{LEFT_OUT}a real part"),
        ([], "", "magnitude"),
    ],
)
def test_components(values: list[str], description: str, shows: str) -> None:
    assert component(values, description) == shows


def test_the_fourth_value_is_a_contrast_in_enhanced_files_alone() -> None:
    assert component(["ORIGINAL", "PRIMARY", "T1", "T1"], "", enhanced=True) == f"{LEFT_OUT}a derived map (t1)"
    assert component(["ORIGINAL", "PRIMARY", "T1", "M"], "", enhanced=True) == "magnitude"
    assert component(["ORIGINAL", "PRIMARY", "T1", "T1"], "") == "magnitude"


@pytest.mark.parametrize(
    ("uid", "what"),
    [
        ("1.2.840.10008.5.1.4.1.1.4", None),
        ("1.2.840.10008.5.1.4.1.1.4.1", None),
        ("1.2.840.10008.5.1.4.1.1.4.2", "spectroscopy"),
        ("1.2.840.10008.5.1.4.1.1.7.4", "a secondary capture"),
        ("1.2.840.10008.5.1.4.1.1.66.4", "a segmentation"),
        ("1.2.840.10008.5.1.4.1.1.77.1.4", "not a CT or MR image"),
        ("", "not a CT or MR image"),
    ],
)
def test_classes(uid: str, what: str | None) -> None:
    assert refused_class(uid) == what
