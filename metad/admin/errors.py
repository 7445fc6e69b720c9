"""Failures -> status and body. Owns: nothing.

Two forms, as clients know them: JSON `{"message", "restate_code"}` for what we decide, plain text for requests
that do not fit a route's form.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from aiohttp import web

from metad.registry.errors import DiscoveryError, ManifestError
from metad.registry.outcomes import Rejected, Rejection
from shared.errors import EverlogError, UnavailableError

__all__ = ["AdminError", "FormError", "PlainResponse", "error_middleware", "json_response", "rejected"]

_log = logging.getLogger(__name__)
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_COMPRESSED_FROM_BYTES = 1024
#: Status, and the API's code if it has one.
_REJECTIONS: dict[Rejection, tuple[int, str | None]] = {
    Rejection.DEPLOYMENT_UNKNOWN: (404, None),
    Rejection.RESERVED_NAME: (400, "META0005"),
    Rejection.TYPE_CHANGED: (409, "META0006"),
    Rejection.SERVICE_UNKNOWN: (404, None),
    Rejection.NOT_A_WORKFLOW: (400, None),
    Rejection.PROTOCOL_DIFFERS: (400, "META0016"),
    Rejection.RULE_DIFFERS: (409, None),
    Rejection.RULE_BOOK_FULL: (422, None),
}


class AdminError(EverlogError):
    """The request cannot be done; the text is for the user."""

    def __init__(self, status: int, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class FormError(EverlogError):
    """The request does not fit the route: 400, 415 or 422 in plain text. Not `AdminError`: nothing was looked up."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class PlainResponse(web.Response):
    """One that is never compressed."""


def json_response(value: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """`value` as orjson writes it."""
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json", headers=headers)


def rejected(outcome: Rejected) -> AdminError:
    """What the registry refused."""
    status, code = _REJECTIONS[outcome.reason]
    message = outcome.message if code is None else f"[{code}] {outcome.message}"
    return AdminError(status, message, code=code)


@web.middleware
async def error_middleware(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Exhaustive: what is not listed is a bug of ours and answers 500."""
    try:
        return _compressed(request, _again(await handler(request)))
    except AdminError as error:
        return _error_body(error.status, str(error), error.code)
    except FormError as error:
        return web.Response(text=str(error), status=error.status)
    except DiscoveryError as error:
        message = str(error) if error.code is None else f"[{error.code}] {error}"
        return _error_body(500, message, error.code)
    except ManifestError as error:
        return _error_body(400, str(error), None)
    except UnavailableError as error:
        _log.warning("%s %s: %s", request.method, request.path, error)
        return _again(_error_body(503, str(error), None))
    except web.HTTPRequestEntityTooLarge as error:
        return web.Response(text=f"{error.text}: send less at once", status=error.status)
    except web.HTTPException as error:
        return _no_route(request, error)
    except Exception:
        _log.exception("%s %s failed", request.method, request.path)
        return _error_body(500, "internal error; metad's log has the details", None)


def _again(response: web.StreamResponse) -> web.StreamResponse:
    if response.status == 503 and not response.prepared:
        response.headers["Retry-After"] = "1"
    return response


def _compressed(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """Large answers are squeezed for clients that can take it; those of queries are left as they are."""
    if isinstance(response, PlainResponse):
        return response
    if isinstance(response, web.Response) and (response.content_length or 0) >= _COMPRESSED_FROM_BYTES:
        response.headers["Vary"] = "Accept-Encoding"
        if _takes_gzip(request.headers.get("Accept-Encoding", "")):
            response.enable_compression(web.ContentCoding.gzip)
    return response


def _takes_gzip(accepted: str) -> bool:
    """By RFC 9110 section 12.5.3: `gzip;q=0` is a refusal, and what is preferred to it is sent plain."""
    weights: dict[str, float] = {}
    for each in accepted.lower().split(","):
        coding, _, weight = each.replace(" ", "").partition(";")
        number = re.fullmatch(r"q=(0(?:\.\d*)?|1(?:\.0*)?)", weight)
        weights[coding] = float(number[1]) if number else 1.0
    gzip = weights.get("gzip", 0.0)
    return gzip > 0 and gzip >= weights.get("identity", 0.0)


def _no_route(request: web.Request, error: web.HTTPException) -> web.Response:
    """Restate says the status alone, which leaves people alone with it."""
    allow = error.headers.get("Allow")
    if error.status == 404:
        return _error_body(404, f"there is no route {request.path}: GET /openapi describes those that there are", None)
    if allow is None:
        return _error_body(error.status, error.reason, None)
    response = _error_body(error.status, f"{request.path} takes no {request.method}, but {allow}", None)
    response.headers["Allow"] = allow
    return response


def _error_body(status: int, message: str, code: str | None) -> web.Response:
    # A target or a header may hold bytes that are no text.
    return json_response({"message": message.encode(errors="replace").decode(), "restate_code": code}, status=status)
