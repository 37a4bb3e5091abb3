"""Durations and sizes as a person says them."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Return "0.8 s", "42 s", "3 min 20 s" or "7 h 5 min"."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min"


def size(count: float) -> str:
    """Return a number of bytes as "640 B", "12.3 MiB" or "1.6 GiB"."""
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"
