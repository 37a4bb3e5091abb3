"""Unpacking gives what Python's own gzip gives, and refuses what it refuses."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcl.imaging.gunzip import DamagedGzip, gunzip

PLAIN = bytes(n * n % 251 for n in range(3000))
PACKED = gzip.compress(PLAIN, 5, mtime=0)


@given(content=st.binary(max_size=2000), level=st.integers(0, 9), padding=st.integers(0, 4))
def test_it_gives_back_what_was_packed(content: bytes, level: int, padding: int) -> None:
    assert gunzip(gzip.compress(content, level) + bytes(padding)) == content


def test_all_members_are_unpacked() -> None:
    assert gunzip(PACKED + PACKED) == PLAIN + PLAIN


@given(cut=st.integers(2, len(PACKED) - 1))
def test_what_ends_early_is_told(cut: int) -> None:
    with pytest.raises(EOFError):
        gunzip(PACKED[:cut])


@given(bit=st.integers(80, len(PACKED) * 8 - 1))
def test_one_wrong_bit_is_seen(bit: int) -> None:
    """After the header of 10 bytes, every bit is in the data, their checksum or their length."""
    damaged = bytearray(PACKED)
    damaged[bit // 8] ^= 1 << bit % 8
    with pytest.raises((DamagedGzip, EOFError)):
        gunzip(bytes(damaged))
