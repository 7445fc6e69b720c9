"""TLS of a client's connection: over memory, so that it may begin at any byte (a request for it, or the first one).

Source: RFC 5929 for `tls-server-end-point`; PostgreSQL 17 for direct TLS, which ALPN `postgresql` belongs to.
"""

from __future__ import annotations

import contextlib
import ssl
from pathlib import Path
from typing import NamedTuple

from shared.config import Settings
from shared.errors import ConfigError, RemoteProtocolError

__all__ = ["ALPN", "ServerTls", "TlsStream", "server_tls"]

ALPN = "postgresql"
_READ_AT_ONCE = 256 * 1024


class ServerTls(NamedTuple):
    """What a TLS connection is begun with. `endpoint` is what SCRAM binds to; None: the certificate gives no hash."""

    context: ssl.SSLContext
    endpoint: bytes | None


def server_tls(settings: Settings) -> ServerTls | None:
    """From the settings; None: no certificate is configured. Raises ConfigError that names the setting."""
    if not settings.sql_tls_cert_file:
        if settings.sql_tls_mode == "require":
            raise ConfigError("sql_tls_mode is require, but sql_tls_cert_file names no certificate")
        return None
    file = settings.sql_tls_cert_file
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols([ALPN])
    try:
        context.load_cert_chain(file, settings.sql_tls_key_file or None)
        return ServerTls(context, _endpoint(Path(file).read_bytes()))
    except (OSError, ValueError) as error:
        key = settings.sql_tls_key_file or file
        raise ConfigError(
            f"sql_tls_cert_file is {file} and its key is in {key}: cannot read a certificate and its key in PEM "
            f"form: {error}"
        ) from error


def _endpoint(pem: bytes) -> bytes | None:
    """The certificate's hash, by the algorithm that it is signed with, but SHA-256 for what is weaker."""
    # Imported when needed: it takes 10 MB.
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    certificate = x509.load_pem_x509_certificates(pem)[0]
    algorithm = certificate.signature_hash_algorithm
    if algorithm is None:
        return None
    weak = isinstance(algorithm, hashes.MD5 | hashes.SHA1)
    return certificate.fingerprint(hashes.SHA256() if weak else algorithm)


class TlsStream:
    """The server's side of one TLS connection: the peer's bytes in, its plain bytes out, and back."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        #: The handshake is over.
        self.established = False

    @property
    def alpn(self) -> str | None:
        """The protocol that was agreed on, if any."""
        return self._tls.selected_alpn_protocol()

    def receive(self, data: bytes) -> bytes:
        """The plain bytes that these complete. Raises RemoteProtocolError. `outgoing` may have an answer then."""
        self._incoming.write(data)
        plain = []
        try:
            if not self.established:
                self._tls.do_handshake()
                self.established = True
            while piece := self._tls.read(_READ_AT_ONCE):
                plain.append(piece)
        except (ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            pass
        except ssl.SSLError as error:
            raise RemoteProtocolError(f"TLS failed: {error.reason or error}") from error
        return b"".join(plain)

    def send(self, data: bytes) -> bytes:
        """Plain bytes -> what is to be written to the peer; nothing where there is no TLS yet, or no more."""
        if self.established:
            with contextlib.suppress(ssl.SSLError):
                self._tls.write(data)
        return self.outgoing()

    def outgoing(self) -> bytes:
        """What is to be written to the peer now."""
        return self._outgoing.read()

    def closing(self) -> bytes:
        """What tells the peer that nothing follows."""
        with contextlib.suppress(ssl.SSLError, ValueError):
            self._tls.unwrap()
        return self.outgoing()
