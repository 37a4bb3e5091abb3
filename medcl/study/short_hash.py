"""A hash that tells whether what goes into a run has changed."""

from __future__ import annotations

import hashlib


def short_hash(text: str) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]
