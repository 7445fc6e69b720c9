"""What this node brings to every call of a service, as the settings say. Owns: the identity's key, TLS contexts."""

from __future__ import annotations

import ssl
from pathlib import Path

from shared.config import Settings
from shared.transport.identity import Identity, load_identity
from shared.transport.tls import client_tls

__all__ = ["Outbound"]


class Outbound:
    """Read once: a new key or other authorities are known after a restart of the program. Raises ConfigError."""

    def __init__(self, settings: Settings) -> None:
        key_file = settings.request_identity_private_key_file
        #: None: requests are not signed.
        self.identity: Identity | None = load_identity(Path(key_file)) if key_file else None
        visible = "".join(char for char in settings.cluster_name if " " <= char <= "~").strip()
        #: Fields of every request, beside what the deployment asks for.
        self.headers: tuple[tuple[str, str], ...] = (("x-restate-cluster-name", visible),)
        self._ca_file = settings.service_ca_file
        self._contexts: dict[tuple[str, ...], ssl.SSLContext] = {}
        if self._ca_file:
            # At the start, not at the first https:// deployment, weeks later.
            self.tls("h2", "http/1.1")

    def tls(self, *protocols: str) -> ssl.SSLContext:
        """A client's context that offers these by ALPN. Shared, since to read the authorities takes milliseconds."""
        context = self._contexts.get(protocols)
        if context is None:
            context = self._contexts[protocols] = client_tls(self._ca_file, *protocols)
        return context
