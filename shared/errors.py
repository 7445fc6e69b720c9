"""The error families of Everlog. Pure: no I/O.

An `assert` that fails is a bug of ours: the process stops, supervisord starts it again and
replay heals it or fails again at the same place. Every other failure is one of these.
"""

from __future__ import annotations

__all__ = [
    "ConfigError",
    "CorruptionError",
    "EverlogError",
    "FencedError",
    "FormatError",
    "InvocationError",
    "LocalProtocolError",
    "RemoteProtocolError",
    "StoreError",
    "UnavailableError",
    "store_error",
]

#: What RocksDB's texts say of the system, and what helps.
_REMEDIES = {
    "No space left": "make room on the disk",
    "Disk quota exceeded": "raise the quota",
    "Read-only file system": "mount the file system for writing",
    "Permission denied": "let the user of the node write there",
    "Operation not permitted": "let the user of the node write there",
    "Too many open files": "raise the limit of open files (ulimit -n)",
}


class EverlogError(Exception):
    """Root of all errors that Everlog raises on purpose; never raised itself."""


class ConfigError(EverlogError):
    """The operator's settings or environment are wrong. The text names the setting and the remedy."""


class FormatError(ConfigError):
    """Another build wrote this, in a format that this one does not know. Nothing is wrong with the bytes: touch
    nothing, start the build that wrote them. Not `CorruptionError`: no copy helps, and none is needed."""


class CorruptionError(EverlogError):
    """Stored bytes are not what was written. The process stops and keeps the files as they are."""


class LocalProtocolError(EverlogError):
    """We broke a wire protocol: a bug of ours that the peer must not pay for."""


class RemoteProtocolError(EverlogError):
    """The peer broke a wire protocol. Close that connection; nothing else is touched."""


class UnavailableError(EverlogError):
    """A peer is away or not ready. Retry with back-off and a limit. Not `FencedError`: we may go on later."""


class StoreError(EverlogError):
    """The disk below a store is full, cannot be written, or failed. What was acknowledged is safe; the store must be
    opened anew. Not `CorruptionError`: the operator makes room, and that is all."""


class FencedError(EverlogError):
    """Somebody with a newer epoch leads. Step down at once; what is in flight does not count."""


class InvocationError(EverlogError):
    """The terminal result of a user's invocation. It is journaled and answered, never logged as ours."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"[{code}] {message}")
        self.code = code
        self.message = message


def store_error(what: str, error: Exception) -> EverlogError:
    """What a store's library said, as one of ours. `what`: what could not be done, with the path."""
    if isinstance(error, EverlogError):
        return error
    text = str(error)
    if text.startswith("Corruption"):
        return CorruptionError(f"{what}: {text}")
    remedy = next((f"; {remedy}" for mark, remedy in _REMEDIES.items() if mark in text), "")
    return StoreError(f"{what}: {text}{remedy}")
