"""One request to a node, its answer streamed. Owns: the connection, for as long as the answer is read.

http.client, since a verb that asks once must not wait for a library that can do more: it is loaded in 20 ms.
"""

from __future__ import annotations

import contextlib
import http.client
import ssl
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from scripts.console.failures import UnreachableError

__all__ = ["CONNECT_WITHIN_S", "Response", "exchange", "read_all"]

Response = http.client.HTTPResponse

CONNECT_WITHIN_S = 5.0


@contextlib.contextmanager
def exchange(
    url: str,
    method: str,
    path: str,
    *,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    within_s: float | None = None,
    name: str = "--admin",
) -> Iterator[Response]:
    """The response, its body unread. `within_s`: longest silence; None: as long as it takes. `name`: of the flag that
    says where the node is. Raises UnreachableError, also out of the body of the `with`."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    try:
        connection = kind(parts.hostname or "", parts.port, timeout=CONNECT_WITHIN_S)
    except http.client.InvalidURL as error:
        raise UnreachableError(f"{url} is no URL: {error}; see {name}") from error
    try:
        try:
            connection.connect()
        except ssl.SSLError as error:
            raise UnreachableError(f"{url} has no TLS that holds: {error.reason or error}") from error
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise UnreachableError(
                f"no node answers at {url}: {why}; start one with `everlog up`, or say where it is with {name} URL"
            ) from error
        assert connection.sock is not None
        connection.sock.settimeout(within_s)
        yield _sent(connection, url, method, f"{parts.path.rstrip('/')}{path}", body, headers or {})
    except (OSError, http.client.HTTPException) as error:
        raise UnreachableError(_cut(url, error)) from error
    finally:
        connection.close()


def _sent(
    connection: http.client.HTTPConnection,
    url: str,
    method: str,
    path: str,
    body: bytes | None,
    headers: Mapping[str, str],
) -> Response:
    connection.request(method, path, body=body, headers={"User-Agent": "everlog", **headers})
    return connection.getresponse()


def _cut(url: str, error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"{url} did not answer in time"
    if isinstance(error, http.client.RemoteDisconnected | ConnectionError | http.client.IncompleteRead):
        return f"{url} ended the connection before its answer was whole: its logs tell why (`everlog logs`)"
    return f"{url} answered something that is no HTTP: {error}"


def read_all(response: Response) -> bytes:
    """The whole body. Raises what `exchange` turns into UnreachableError."""
    data: Any = response.read()
    return bytes(data)
