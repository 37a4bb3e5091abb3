"""The picture size that a packed frame declares: JPEG and JPEG-LS (ISO 10918-1, 14495-1), JPEG 2000 (ISO 15444-1)."""

from __future__ import annotations

_JPEG_START = b"\xff\xd8"
_JPEG2000_START = b"\xff\x4f\xff\x51"
_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xDA)}
_SIZE_MARKERS = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}  # start of frame; not tables, not reserved
_SCAN = 0xDA


def declared_size(frame: bytes) -> tuple[int, int] | None:
    """(rows, columns) of a packed picture, None when the bytes are none."""
    if frame.startswith(_JPEG2000_START):
        return _jpeg2000(frame)
    return _jpeg(frame) if frame.startswith(_JPEG_START) else None


def _jpeg2000(frame: bytes) -> tuple[int, int] | None:
    if len(frame) < 24:
        return None
    width, height, left, top = (int.from_bytes(frame[at : at + 4], "big") for at in (8, 12, 16, 20))
    return height - top, width - left


def _jpeg(frame: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(frame) and frame[at] == 0xFF:
        marker = frame[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
        elif marker in _SIZE_MARKERS:
            return int.from_bytes(frame[at + 5 : at + 7], "big"), int.from_bytes(frame[at + 7 : at + 9], "big")
        elif marker == _SCAN:
            return None
        elif marker in _WITHOUT_LENGTH:
            at += 2
        else:
            at += 2 + int.from_bytes(frame[at + 2 : at + 4], "big")
    return None
