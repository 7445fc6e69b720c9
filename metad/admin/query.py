"""POST /query. Owns: nothing; streams what sqld answers."""

from __future__ import annotations

import asyncio
import logging

import msgspec
from aiohttp import web

from metad.admin.bodies import QueryBody, read_json
from metad.admin.errors import PlainResponse, json_response
from metad.peers import Conversation, Conversations
from shared.api.sql import CancelQuery, QueryChunk, QueryEnd, QueryError, QueryRequest, SqlReply
from shared.config import Settings
from shared.errors import UnavailableError

__all__ = ["QueryRoutes"]

_log = logging.getLogger(__name__)
_decode_reply = msgspec.msgpack.Decoder(SqlReply).decode
_REQUEST_ID = 1
#: Accept header -> format and content type. Only the bare type, as clients that send a list of types expect Arrow.
_FORMATS = {
    "application/json": ("json", "application/json"),
    "application/x-ndjson": ("jsonl", "application/x-ndjson"),
    "application/jsonl": ("jsonl", "application/jsonl"),
}
_ARROW = ("arrow", "application/vnd.apache.arrow.stream")
#: For the logs of others; nobody reads it.
_CLIENT_HAS_GONE = 499
#: How often it is looked whether the client is still there.
_LOOK_EVERY_S = 0.2
#: sqld ends a query that takes too long; this is for an sqld that hangs.
_SLACK_S = 10.0


class QueryRoutes:
    """SQL over the node's state."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._sqld = Conversations(settings.socket("sqld"), _decode_reply, name="sqld")

    def close(self) -> None:
        """Let the connections to sqld go."""
        self._sqld.close()

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/query", self.query)]

    async def query(self, request: web.Request) -> web.StreamResponse:
        body = await read_json(request, QueryBody)
        form, content_type = _FORMATS.get(request.headers.get("Accept", "").strip(), _ARROW)
        answer = asyncio.create_task(self._ask(request, body.query, form, content_type))
        try:
            # A query may run long before it has anything to write: only this notices a client that left, for aiohttp
            # does not tell a handler.
            while not answer.done() and not _has_gone(request):
                await asyncio.wait((answer,), timeout=_LOOK_EVERY_S)
        finally:
            answer.cancel()
        try:
            return await answer
        except (ConnectionError, asyncio.CancelledError):
            return web.Response(status=_CLIENT_HAS_GONE)

    async def _ask(self, request: web.Request, sql: str, form: str, content_type: str) -> web.StreamResponse:
        try:
            async with self._sqld.converse() as conversation:
                conversation.send(QueryRequest(_REQUEST_ID, sql, form))
                try:
                    return await self._answer(request, conversation, content_type)
                except (ConnectionError, asyncio.CancelledError):
                    # The client has gone: nobody waits for the rest.
                    conversation.send(CancelQuery(_REQUEST_ID))
                    raise
        except UnavailableError as error:
            _log.warning("query failed: %s", error)
            return json_response({"message": str(error)}, status=503)

    async def _answer(self, request: web.Request, conversation: Conversation, content_type: str) -> web.StreamResponse:
        try:
            async with asyncio.timeout(self._settings.query_timeout_s + _SLACK_S):
                first = await conversation.receive()
        except TimeoutError:
            return json_response({"message": "sqld did not answer in time"}, status=503)
        if isinstance(first, QueryError):
            conversation.over = True
            return json_response({"message": first.message}, status=first.status)
        known, last = _at_hand(conversation, first)
        if isinstance(last, QueryEnd):
            conversation.over = True
            return PlainResponse(body=known, content_type=content_type)
        response = web.StreamResponse()
        response.content_type = content_type
        await response.prepare(request)
        try:
            if known:
                await response.write(known)
            await self._stream(response, conversation, last)
        except UnavailableError as error:
            # The status is on its way: only a cut connection tells the client that this is not all.
            _log.warning("query cut: %s", error)
            if request.transport is not None:
                request.transport.abort()
        return response

    async def _stream(self, response: web.StreamResponse, conversation: Conversation, known: SqlReply | None) -> None:
        """The rest of an answer. `known`: its next message, if it is here."""
        message = known
        while message is None or isinstance(message, QueryChunk):
            if message is not None:
                await response.write(message.data)
            async with asyncio.timeout(self._settings.query_timeout_s + _SLACK_S):
                message = await conversation.receive()
        conversation.over = True
        if isinstance(message, QueryError):
            raise UnavailableError(message.message)
        await response.write_eof()


def _at_hand(conversation: Conversation, first: SqlReply) -> tuple[bytes, SqlReply | None]:
    """What has come of the body, and the message behind it, if that is here: a small answer is sent as one."""
    pieces: list[bytes] = []
    message: SqlReply | None = first
    while isinstance(message, QueryChunk):
        pieces.append(message.data)
        message = conversation.at_hand()
    return b"".join(pieces), message


def _has_gone(request: web.Request) -> bool:
    """The client has closed its connection."""
    return (transport := request.transport) is None or transport.is_closing()
