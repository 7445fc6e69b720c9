"""Parameters in paths and queries: form and ranges. Owns: nothing.

A parameter that is given twice, and a path that is no UTF-8 behind its percent signs, are refused rather than guessed.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from urllib.parse import unquote_to_bytes

from aiohttp import web

from metad.admin.errors import AdminError, FormError
from shared.ids import decode_invocation_id, is_deployment_id

__all__ = ["deployment_id", "flag", "index", "invocation_id", "one", "readable_path", "subscription_id"]

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_SUBSCRIPTION_ID = re.compile(r"sub_1[0-9A-Za-z]{22}")


@web.middleware
async def readable_path(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Raises FormError when a name or id in the path is no text."""
    if request.match_info and "%" in request.rel_url.raw_path:
        try:
            unquote_to_bytes(request.rel_url.raw_path).decode()
        except UnicodeDecodeError as error:
            raise FormError(400, "the path is no UTF-8 behind its percent signs: encode names as UTF-8") from error
    return await handler(request)


def one(request: web.Request, name: str) -> str | None:
    """A query parameter; None: it is not there. Raises FormError when it is there twice."""
    values = request.query.getall(name, [])
    if len(values) > 1:
        raise FormError(400, f"query parameter '{name}' is given {len(values)} times: give it once")
    return values[0] if values else None


def flag(request: web.Request, name: str) -> bool:
    """Raises FormError for what is neither `true` nor `false`."""
    text = one(request, name)
    if text not in (None, "true", "false"):
        raise FormError(400, f"query parameter '{name}' is {text!r}: want true or false")
    return text == "true"


def index(request: web.Request, name: str) -> int:
    """The index of a journal entry, 0 if there is none. Raises FormError."""
    text = one(request, name)
    if text is None:
        return 0
    if not (text.isascii() and text.isdigit()) or len(text) > 10 or int(text) >= 1 << 32:
        raise FormError(400, f"query parameter '{name}' is {text!r}: want the index of a journal entry, from 0")
    return int(text)


def deployment_id(request: web.Request) -> str:
    """Raises FormError."""
    text = request.match_info["deployment"]
    if not is_deployment_id(text):
        raise FormError(400, f"{text!r} is not the id of a deployment: want 'dp_1' and 22 base62 digits")
    return text


def subscription_id(request: web.Request) -> str:
    """Raises FormError."""
    text = request.match_info["subscription"]
    if not _SUBSCRIPTION_ID.fullmatch(text):
        raise FormError(400, f"{text!r} is not the id of a subscription: want 'sub_1' and 22 base62 digits")
    return text


def invocation_id(request: web.Request) -> bytes:
    """Raises AdminError."""
    try:
        return decode_invocation_id(request.match_info["invocation_id"])
    except ValueError as error:
        raise AdminError(400, f"field 'invocation_id': {error}") from error
