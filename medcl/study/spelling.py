"""One spelling for each class: `Yes`, `yes` and `YES ` are one, and the user is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence


def folded(text: str) -> str:
    """The form in which words are compared: no case, single spaces."""
    return " ".join(text.casefold().split())


def unify(cells: Sequence[str]) -> tuple[list[str], list[str]]:
    """Give cells that differ only in case or spaces the most frequent spelling.

    Returns:
        The cells, and one note for each spelling that was changed.
    """
    counts = Counter(cells)
    chosen: dict[str, str] = {}
    for cell in sorted(counts, key=lambda text: (-counts[text], text)):
        chosen.setdefault(folded(cell), cell)
    changed = sorted(cell for cell in counts if chosen[folded(cell)] != cell)
    notes = [
        f"'{cell}' is read as '{chosen[folded(cell)]}' in {counts[cell]} cell{'s' * (counts[cell] > 1)}"
        for cell in changed
    ]
    return [chosen[folded(cell)] for cell in cells], notes
