"""Forms of a deployment's URI."""

from __future__ import annotations

import pytest

from metad.registry.address import parse_address
from metad.registry.errors import AddressError


@pytest.mark.parametrize(
    ("uri", "stored", "host", "port", "path"),
    [
        ("http://h:9080", "http://h:9080/", "h", 9080, ""),
        ("http://h", "http://h/", "h", 80, ""),
        ("HTTPS://h/a/b", "https://h/a/b", "h", 443, "/a/b"),
        ("http://h/a/?x=1#f", "http://h/a/", "h", 80, "/a"),
        ("http://u:p@h:1/", "http://u:p@h:1/", "h", 1, ""),
        ("http://[::1]:9080/x", "http://[::1]:9080/x", "::1", 9080, "/x"),
        ("http://[::1]", "http://[::1]/", "::1", 80, ""),
        ("http://h/a%20b", "http://h/a%20b", "h", 80, "/a%20b"),
    ],
)
def test_parts(uri: str, stored: str, host: str, port: int, path: str) -> None:
    address = parse_address(uri)
    assert (address.uri, address.host, address.port, address.path) == (stored, host, port, path)


@pytest.mark.parametrize(
    ("uri", "malformed"),
    [
        ("", True),
        ("http://", True),
        ("http:///x", True),
        ("http://a b/", True),
        ("http://h/é", True),
        ("http://h/\n", True),
        ("http://[::1/", True),
        ("/x", False),
        ("h:9080", False),
        ("h", False),
        ("ftp://h/", False),
    ],
)
def test_no_place_for_a_deployment(uri: str, malformed: bool) -> None:
    with pytest.raises(AddressError) as caught:
        parse_address(uri)
    assert caught.value.malformed == malformed
