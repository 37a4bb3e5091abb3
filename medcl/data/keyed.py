"""Random numbers that depend on what they are for and on nothing that was drawn before.

A counter-based generator (Philox; Salmon et al., SC 2011) is a function of a key and a counter: here the key
is made of the run's seed and the purpose, the counter of numbers such as the epoch and the sample. So a
resumed run, another batch size or another order of calls gives the same numbers.
"""

from __future__ import annotations

import hashlib

import numpy as np

WORD = 2**64
COUNTERS = 3
"""The counter has four words; the first is the generator's own and counts up."""


def keyed_generator(seed: int, purpose: str, *counters: int) -> np.random.Generator:
    """Return a generator that is determined by its arguments.

    Args:
        seed: the run's.
        purpose: what the numbers are for; different purposes are independent.
        counters: up to three whole numbers (epoch, sample, ...); negative ones are allowed.
    """
    if len(counters) > COUNTERS:
        raise ValueError(f"at most {COUNTERS} counters, got {len(counters)}")
    digest = hashlib.blake2b(f"{seed}:{purpose}".encode(), digest_size=16).digest()
    words = [0, *(c % WORD for c in counters), *[0] * (COUNTERS - len(counters))]
    return np.random.Generator(
        np.random.Philox(key=np.frombuffer(digest, np.uint64), counter=np.array(words, np.uint64))
    )
