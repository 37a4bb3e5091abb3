"""Small panels and metrics for the tests of the translation page, and a reader of its pictures."""

from __future__ import annotations

import math
import struct
import zlib

import numpy as np

from medcl.figures.translation.hallucination_table import TranslatedImage
from medcl.figures.translation.panel import Panel
from medcl.study.label_classes import LabelClass

CLASSES = [LabelClass(5, "liver", "#0072b2"), LabelClass(9, "left kidney", "#d55e00")]
NAMES = ["liver", "left kidney"]


def square(low: int, high: int, value: int, size: int = 32) -> np.ndarray:
    """Class indices with a square of one class."""
    mask = np.zeros((size, size), np.uint8)
    mask[low:high, low:high] = value
    return mask


def panel(size: int = 32, neighbours: int = 2, outlined: bool = True, **changed: object) -> Panel:
    """A dark slice whose first row is white, with a liver in its mask and a kidney in what was found."""
    source = np.zeros((size, size), np.float32)
    source[0] = 1
    others = tuple(np.full((size, size), 0.5, np.float32) for _ in range(neighbours))
    masks: dict[str, object] = {}
    if outlined:
        found = square(size // 4, size // 2, 2, size)
        masks = {
            "labels": square(size // 4, size // 2, 1, size),
            "segmentation": found,
            "neighbour_segmentations": (found,) * neighbours,
        }
    given = {"case": "P1_ct", "slice": 7, **masks, **changed}
    return Panel(source=source, translated=1 - source, neighbours=others, **given)  # type: ignore[arg-type]


def decoded(content: bytes) -> tuple[np.ndarray, list[str]]:
    """Pixels (height, width) and palette of an indexed PNG, whose lengths and checksums are checked."""
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    place, chunks = 8, {}
    while place < len(content):
        (length,) = struct.unpack(">I", content[place : place + 4])
        kind, body = content[place + 4 : place + 8], content[place + 8 : place + 8 + length]
        (check,) = struct.unpack(">I", content[place + 8 + length : place + 12 + length])
        assert check == zlib.crc32(kind + body)
        chunks[kind] = body
        place += 12 + length
    assert list(chunks) == [b"IHDR", b"PLTE", b"IDAT", b"IEND"]
    width, height, *kinds = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert kinds == [8, 3, 0, 0, 0]
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, width + 1)
    assert not rows[:, 0].any()
    colours = chunks[b"PLTE"]
    return rows[:, 1:], ["#" + colours[at : at + 3].hex() for at in range(0, len(colours), 3)]


def metrics(epochs: int, dice: bool = True, positions: int = 256) -> list[dict[str, str]]:
    """Rows of metrics.csv as they are read from the file."""
    rows = []
    for epoch in range(1, epochs + 1):
        nce = 1 + 4 / epoch
        numbers = {
            "loss_gan": 0.4,
            "loss_nce": nce,
            "loss_identity": nce / 2,
            "nce_of_chance": nce / math.log(positions),
            "score_real": 0.6,
            "score_made": 0.4,
        }
        head = {"epoch": str(epoch), "step": str(10 * epoch)}
        rows.append({**head, "split": "train", **{name: repr(value) for name, value in numbers.items()}})
        found = {"loss": 0.25, "loss_nce": nce, "dice_1": 0.8, "dice_2": 0.7} if dice else {"loss": nce}
        rows.append({**head, "split": "val", **{name: repr(value) for name, value in found.items()}})
    return rows


def images() -> list[TranslatedImage]:
    """Three validation images, of which the second lost its source and the third has one slice."""
    return [
        TranslatedImage("P1 · north", 0.9, 0.2, {"liver": (0.5, 0.3), "left kidney": (0.6, 0.4)}),
        TranslatedImage("P2 · south", 0.2, 0.3, {"liver": (0.7, 0.2)}),
        TranslatedImage("P3 · south", 0.7, None, {}),
    ]
