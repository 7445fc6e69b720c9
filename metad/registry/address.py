"""A deployment's URI: its form and its identity. Pure: no I/O."""

from __future__ import annotations

import re

import msgspec

from metad.registry.errors import AddressError

__all__ = ["Address", "identity_of", "parse_address"]

_ABSOLUTE = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<path>[^?#]*)")
_ALLOWED = re.compile(r"[!-~]+")
_HOST_PORT = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(?::(?P<port>[0-9]{1,5}))?")
#: As Restate's: what a request line can carry at most.
_LENGTH_MAX = 65_534
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Address(msgspec.Struct, frozen=True):
    """Where a deployment is. `path` has no slash at its end, so that a route can be appended."""

    uri: str
    scheme: str
    #: As given, to be sent as the host: user, name and port.
    authority: str
    #: An IPv6 address is without its brackets.
    host: str
    port: int
    path: str


def parse_address(uri: str) -> Address:
    """Take an absolute http or https URI apart; query and fragment are dropped. Raises AddressError."""
    if len(uri) > _LENGTH_MAX:
        raise AddressError(f"it has {len(uri)} characters: a URI has at most {_LENGTH_MAX}", malformed=True)
    if not _ALLOWED.fullmatch(uri):
        raise AddressError("a URI has no blanks, control or non-ASCII characters and is not empty", malformed=True)
    parts = _ABSOLUTE.match(uri)
    if parts is None:
        raise AddressError(f"{uri} is not absolute: want http://host:port/path", malformed=False)
    scheme, authority, path = parts["scheme"].lower(), parts["authority"], parts["path"] or "/"
    if not authority:
        raise AddressError(f"{uri} names no host", malformed=True)
    if scheme not in _DEFAULT_PORTS:
        raise AddressError(f"{uri}: scheme {scheme} is not supported: want http or https", malformed=False)
    place = _HOST_PORT.fullmatch(authority.rpartition("@")[2])
    if place is None:
        raise AddressError(f"{uri}: {authority} is not a host and port", malformed=True)
    return Address(
        uri=f"{scheme}://{authority}{path}",
        scheme=scheme,
        authority=authority,
        host=place["host"].strip("[]"),
        port=int(place["port"] or _DEFAULT_PORTS[scheme]),
        path=path.rstrip("/"),
    )


def identity_of(uri: str) -> tuple[str, str]:
    """Deployments of equal authority and path are one, whatever the scheme (admin_api.md, A2)."""
    parts = _ABSOLUTE.match(uri)
    assert parts is not None, f"stored URI {uri!r} is not absolute"
    return parts["authority"].lower(), parts["path"] or "/"
