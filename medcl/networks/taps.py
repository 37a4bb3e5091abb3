"""Where the contrast of translation looks into the generator's encoder half, by name (Park et al., ECCV 2020).

A cell of a deeper tap stands for a bigger patch of the slice. Receptive fields count the generator's blurs; instance
norms, through which every cell sees its whole map, are left out of them, as is usual.
"""

from __future__ import annotations

from typing import NamedTuple

BLOCKS = 9
"""Blocks of the paper's generator; fewer leave the deepest taps out."""

REFLECTED = 3
"""Pixels mirrored at each edge of the slice before the 7x7 stem."""


class Tap(NamedTuple):
    """A map inside the encoder half.

    Attributes:
        receptive_field: pixels along y, and x, that a cell depends on.
        stride: pixels from cell to cell.
        margin: cells before pixel 0; cell i is centred on pixel stride * (i - margin).
        channels: for each filter of the stem; 0 stands for the slice's one.
    """

    receptive_field: int
    stride: int
    margin: int
    channels: int

    def cells(self, pixels: int) -> int:
        """Return how many cells lie along an axis of so many pixels."""
        return -(-pixels // self.stride) + 2 * self.margin


TAPS: dict[str, Tap] = {
    "input": Tap(1, 1, REFLECTED, 0),
    "stem": Tap(7, 1, 0, 1),
    "down1": Tap(9, 1, 0, 2),
    "down2": Tap(15, 2, 0, 4),
    **{f"block{number}": Tap(19 + 16 * number, 4, 0, 4) for number in range(1, BLOCKS + 1)},
}
"""In the order of depth: the mirrored slice, three convolutions before their norms, the sums that blocks end with."""

PAPER_TAPS = ("input", "down1", "down2", "block1", "block5")
"""Of the public code, which the paper follows: receptive fields 1, 9, 15, 35 and 99."""

STEM_TAPS = ("stem", "down1", "down2", "block1", "block5")
"""Ours for slices with one channel, whose pixels are one number each: the stem's map instead of the slice."""
