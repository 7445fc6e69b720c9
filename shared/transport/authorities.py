"""How to import a library that reads the authorities of TLS as it is imported. Owns: two environment variables."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

__all__ = ["no_authorities"]

#: Where OpenSSL is told to look for them.
_PLACES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


@contextlib.contextmanager
def no_authorities() -> Iterator[None]:
    """Contexts of TLS that are made within trust nobody.

    aiohttp makes some as it is imported, and reads all authorities of the system for them: 40 ms, for contexts that
    nobody uses, since ours are given to it (outbound.py).
    """
    before = {name: os.environ.get(name) for name in _PLACES}
    os.environ.update(dict.fromkeys(_PLACES, os.devnull))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
