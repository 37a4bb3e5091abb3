"""HOST:PORT, as `--rendezvous` takes it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class Address:
    """A host's name or number and a port."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "node1:29500", "10.0.0.1:29500" or "[fe80::1]:29500".

        Raises:
            ValueError: it is something else.
        """
        match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.%\w]+)\]|([\w.-]+)):(\d{1,5})", text.strip())
        if not match or not 0 < int(match[3]) < 2**16:
            raise ValueError(f"expected HOST:PORT with a port from 1 to 65535, such as node1:29500, not {text!r}")
        return cls(match[1] or match[2], int(match[3]))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
