"""The size that a packed picture declares."""

from __future__ import annotations

import numpy as np
import pytest
from dicom_phantoms import PLANES, classic, lps_affine
from hypothesis import given
from hypothesis import strategies as st
from pydicom.encaps import generate_frames
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless

from medcl.imaging.dicom.codestream import declared_size


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLSLossless], ids=lambda uid: uid.name)
def test_real_encoders(syntax: str) -> None:
    dataset = classic(np.zeros((40, 56), np.uint16), lps_affine(PLANES["axial"]), {})
    dataset.compress(syntax)
    (frame,) = generate_frames(dataset.PixelData, number_of_frames=1)
    assert declared_size(frame) == (40, 56)


def test_a_jpeg_worked_out_by_hand() -> None:
    """A quantisation table, a fill byte, then the start of a frame of 258 rows and 7 columns."""
    frame = b"\xff\xd8\xff\xdb\x00\x04ab\xff\xff\xc0\x00\x0b\x08\x01\x02\x00\x07\x01\x01\x11\x00"
    assert declared_size(frame) == (258, 7)


@given(st.binary(max_size=60))
def test_garbage_is_none(content: bytes) -> None:
    for start in (b"", b"\xff\xd8", b"\xff\xd8\xff\xda", b"\xff\x4f\xff\x51"):
        size = declared_size(start + content)
        assert size is None or len(size) == 2
    assert declared_size(b"\xff\xd8\xff\xda" + content) is None
