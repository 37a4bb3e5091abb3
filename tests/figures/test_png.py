from __future__ import annotations

import base64
import struct
import zlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from medcl.figures.png import picture, png


def decoded(content: bytes) -> np.ndarray:
    """A reader of plain greyscale PNGs by the standard, which checks lengths and checksums."""
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    place, chunks = 8, []
    while place < len(content):
        (length,) = struct.unpack(">I", content[place : place + 4])
        kind, body = content[place + 4 : place + 8], content[place + 8 : place + 8 + length]
        (check,) = struct.unpack(">I", content[place + 8 + length : place + 12 + length])
        assert check == zlib.crc32(kind + body)
        chunks.append((kind, body))
        place += 12 + length
    assert [kind for kind, _ in chunks] == [b"IHDR", b"IDAT", b"IEND"]
    width, height, *kind = struct.unpack(">IIBBBBB", chunks[0][1])
    assert kind == [8, 0, 0, 0, 0]
    rows = np.frombuffer(zlib.decompress(chunks[1][1]), np.uint8).reshape(height, width + 1)
    assert not rows[:, 0].any()
    return rows[:, 1:]


@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 9))
def test_every_picture_comes_back(height: int, width: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width)).astype(np.uint8)
    assert np.array_equal(decoded(png(pixels)), pixels)


def test_a_picture_knows_its_size_and_is_a_data_uri() -> None:
    pixels = np.arange(6, dtype=np.uint8).reshape(2, 3)
    made = picture(pixels)
    assert (made.width, made.height) == (3, 2)
    kind, _, content = made.uri.partition(",")
    assert kind == "data:image/png;base64"
    assert np.array_equal(decoded(base64.b64decode(content)), pixels)
