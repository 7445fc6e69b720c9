"""From a new connection to a user who is known: encryption, protocol version, password.

Source: PostgreSQL 17, "Start-up", "SASL Authentication", "SSL Session Encryption"; 18 for version 3.2.
"""

from __future__ import annotations

import base64
import logging
import secrets
from collections.abc import Callable

from pygwire import messages as m

from shared.errors import RemoteProtocolError
from sqld.engine.failures import QueryFailure
from sqld.pgwire.connection import ClientConnection, ConnectionLostError
from sqld.pgwire.scram import MECHANISM, MECHANISM_PLUS, AuthenticationError, Exchange
from sqld.pgwire.users import Users

__all__ = ["MINOR_WITH_LONG_KEYS", "login"]

_log = logging.getLogger(__name__)
_MAJOR, _MINOR = 3, 2
#: Since this one cancel keys may be longer than four bytes.
MINOR_WITH_LONG_KEYS = 2
#: Requests for encryption that a client may make, of either kind.
_REQUESTS_LIMIT = 4
_NONCE_BYTES = 18


async def login(
    connection: ClientConnection,
    *,
    tls: bool,
    tls_required: bool,
    users: Users | None,
    on_cancel: Callable[[m.CancelRequest], None],
) -> m.StartupMessage | None:
    """Who it is, with AuthenticationOk queued; None: it came for a cancel. Raises QueryFailure to refuse it, and what
    `next_startup` raises."""
    startup = await _negotiated(connection, tls=tls, on_cancel=on_cancel)
    if startup is None:
        return None
    _check_version(connection, startup)
    user = startup.params.get("user", "")
    if not user:
        raise _refusal("no PostgreSQL user name specified in startup packet", "28000")
    if startup.params.get("replication", "false").lower() not in ("", "false", "off", "no", "0"):
        raise _refusal("replication connections are not supported", "0A000")
    if tls_required and not connection.encrypted:
        raise _refusal("this server takes encrypted connections only: connect with sslmode=require", "28000")
    if users is not None:
        await _authenticate(connection, user, users)
    connection.send(m.AuthenticationOk())
    return startup


async def _negotiated(
    connection: ClientConnection, *, tls: bool, on_cancel: Callable[[m.CancelRequest], None]
) -> m.StartupMessage | None:
    for _ in range(_REQUESTS_LIMIT):
        message = await connection.next_startup()
        if isinstance(message, m.StartupMessage):
            return message
        if isinstance(message, m.CancelRequest):
            on_cancel(message)
            return None
        if isinstance(message, m.SSLRequest):
            accepted = tls and not connection.encrypted
            connection.send(m.SSLResponse(accepted=accepted))
            if accepted:
                connection.start_tls()
        else:
            connection.send(m.GSSResponse(accepted=False))
        connection.flush()
    raise RemoteProtocolError("too many requests for encryption")


def _check_version(connection: ClientConnection, startup: m.StartupMessage) -> None:
    major, minor = divmod(startup.protocol_version, 1 << 16)
    if major != _MAJOR:
        raise _refusal(f"unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.{_MINOR}", "0A000")
    unknown = [name for name in startup.params if name.startswith("_pq_.")]
    if minor > _MINOR or unknown:
        # The whole version and not only its minor part, whatever the documentation says: see libpq.
        newest = (_MAJOR << 16) + min(minor, _MINOR)
        connection.send(m.NegotiateProtocolVersion(newest_minor=newest, unrecognized=unknown))


async def _authenticate(connection: ClientConnection, user: str, users: Users) -> None:
    endpoint = connection.endpoint
    mechanisms = [MECHANISM] if endpoint is None else [MECHANISM_PLUS, MECHANISM]
    connection.send(m.AuthenticationSASL(mechanisms=mechanisms))
    begun = await connection.next_password(m.SASLInitialResponse)
    if not isinstance(begun, m.SASLInitialResponse):
        raise ConnectionLostError
    if begun.mechanism not in mechanisms:
        raise RemoteProtocolError(f"client selected an invalid SASL authentication mechanism: {begun.mechanism!r}")
    nonce = base64.b64encode(secrets.token_bytes(_NONCE_BYTES)).decode()
    exchange = Exchange(users.verifier(user), nonce=nonce, endpoint=endpoint, plus=begun.mechanism == MECHANISM_PLUS)
    try:
        connection.send(m.AuthenticationSASLContinue(data=exchange.first(begun.data)))
        ended = await connection.next_password(m.SASLResponse)
        if not isinstance(ended, m.SASLResponse):
            raise ConnectionLostError
        connection.send(m.AuthenticationSASLFinal(data=exchange.final(ended.data)))
    except AuthenticationError as error:
        _log.info("%s is not let in as user %r: %s", connection.peer, user, error)
        raise _refusal(f'password authentication failed for user "{user}"', "28P01") from error


def _refusal(text: str, sqlstate: str) -> QueryFailure:
    return QueryFailure(text, sqlstate=sqlstate, status=400)
