"""Why a deployment cannot be registered. Pure: no I/O."""

from __future__ import annotations

from shared.errors import EverlogError

__all__ = ["AddressError", "DiscoveryError", "ManifestError"]


class AddressError(EverlogError):
    """The user's URI is no place where a deployment can be. `malformed`: it is no URI at all."""

    def __init__(self, message: str, *, malformed: bool) -> None:
        super().__init__(message)
        self.malformed = malformed


class DiscoveryError(EverlogError):
    """The deployment is away or answers what we cannot use. The user repairs it and registers again.

    `code` is one of META0003 (unreachable, bad status), META0012 (protocol versions), META0013 (bad answer),
    META0014 (probably HTTP/1.1), or None for an answer that is no manifest.
    """

    def __init__(self, code: str | None, message: str) -> None:
        super().__init__(message)
        self.code = code


class ManifestError(EverlogError):
    """The manifest is well formed and contradicts itself. Not `DiscoveryError`: the services' author must change it."""
