from __future__ import annotations

import pytest

from medcl.training.launching.address import Address


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [("node1:29500", "node1", 29500), ("10.0.0.1:1", "10.0.0.1", 1), ("[fe80::1%eth0]:65535", "fe80::1%eth0", 65535)],
)
def test_a_host_and_a_port_are_read_and_written(text: str, host: str, port: int) -> None:
    address = Address.parse(text)
    assert (address.host, address.port, str(address)) == (host, port, text)


@pytest.mark.parametrize("text", ["node1", "node1:", ":29500", "node1:0", "node1:65536", "no de:1", "fe80::1:29500"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected HOST:PORT .* such as node1:29500"):
        Address.parse(text)
