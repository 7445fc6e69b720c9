"""TLS to user services: whom we trust, which HTTP is offered, and what is wrong when it fails. Owns: nothing."""

from __future__ import annotations

import ssl

from shared.errors import ConfigError

__all__ = ["client_tls", "tls_problem"]

#: X509_V_ERR_… of OpenSSL.
_NOT_YET_VALID, _EXPIRED, _WRONG_HOST, _WRONG_ADDRESS = 9, 10, 62, 64
_UNTRUSTED = {18, 19, 20, 21}


def client_tls(ca_file: str, *protocols: str) -> ssl.SSLContext:
    """A context that verifies the peer and its name, and offers these protocols by ALPN.

    `ca_file`, a PEM file of authorities, takes the place of the system's store; "": the system's. Raises ConfigError.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"service_ca_file is {ca_file}: cannot read authorities in PEM form: {error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 9113 section 9.2.
    context.set_alpn_protocols(list(protocols))
    return context


def tls_problem(error: BaseException) -> str | None:
    """What was wrong with the peer's certificate or its TLS, for people to read; None: it was something else."""
    found = None
    cause: BaseException | None = error
    while cause is not None:
        # The last one of the chain: HTTP clients wrap what ssl says.
        found = cause if isinstance(cause, ssl.SSLError) else found
        cause = cause.__cause__
    if found is None:
        return None
    if not isinstance(found, ssl.SSLCertVerificationError):
        return _handshake_problem(found)
    code, text = found.verify_code, found.verify_message.rstrip(".")
    if code == _EXPIRED:
        return f"the service's certificate is not valid any more: {text}"
    if code == _NOT_YET_VALID:
        return f"the service's certificate is not valid yet: {text}"
    if code in (_WRONG_HOST, _WRONG_ADDRESS):
        return f"the service's certificate is for another name: {text}"
    if code in _UNTRUSTED:
        return f"the service's certificate is of no authority that we trust (see service_ca_file): {text}"
    return f"the service's certificate is refused: {text}"


def _handshake_problem(error: ssl.SSLError) -> str:
    reason = error.reason or str(error)
    if reason == "TLSV1_ALERT_NO_APPLICATION_PROTOCOL":
        return "the service offers none of our HTTP versions by ALPN: if it speaks HTTP/1.1 only, register it anew"
    if reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"):
        return f"the service does not speak TLS at this port ({reason})"
    return f"TLS failed: {reason}"
