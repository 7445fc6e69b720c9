"""POST /query. Owns: nothing; streams what sqld answers."""

from __future__ import annotations

import asyncio
import logging

import msgspec
from aiohttp import web

from metad.admin.bodies import QueryBody, read_json
from metad.admin.errors import json_response
from metad.peers import Conversation, converse
from shared.api.sql import CancelQuery, QueryChunk, QueryEnd, QueryError, QueryRequest, SqlReply
from shared.config import Settings
from shared.errors import UnavailableError

__all__ = ["QueryRoutes"]

_log = logging.getLogger(__name__)
_decode_reply = msgspec.msgpack.Decoder(SqlReply).decode
_REQUEST_ID = 1
#: sqld ends a query that takes too long; this is for an sqld that hangs.
_SLACK_S = 10.0


class QueryRoutes:
    """SQL over the node's state."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/query", self.query)]

    async def query(self, request: web.Request) -> web.StreamResponse:
        body = await read_json(request, QueryBody)
        # Only the bare type asks for JSON, as clients that send a list of types expect Arrow.
        as_json = request.headers.get("Accept", "").strip() == "application/json"
        try:
            async with converse(self._settings.socket("sqld"), _decode_reply, name="sqld") as conversation:
                conversation.send(QueryRequest(_REQUEST_ID, body.query, "json" if as_json else "arrow"))
                return await self._answer(request, conversation, as_json=as_json)
        except UnavailableError as error:
            _log.warning("query failed: %s", error)
            return json_response({"message": str(error)}, status=503)

    async def _answer(self, request: web.Request, conversation: Conversation, *, as_json: bool) -> web.StreamResponse:
        try:
            async with asyncio.timeout(self._settings.query_timeout_s + _SLACK_S):
                first = await conversation.receive()
        except TimeoutError:
            return json_response({"message": "sqld did not answer in time"}, status=503)
        if isinstance(first, QueryError):
            return json_response({"message": first.message}, status=first.status)
        response = web.StreamResponse()
        response.content_type = "application/json" if as_json else "application/vnd.apache.arrow.stream"
        await response.prepare(request)
        try:
            await self._stream(response, conversation, first)
        except (ConnectionError, asyncio.CancelledError):
            # The client has gone: nobody waits for the rest.
            conversation.send(CancelQuery(_REQUEST_ID))
            raise
        except UnavailableError as error:
            # The status is on its way: only a cut connection tells the client that this is not all.
            _log.warning("query cut: %s", error)
            if request.transport is not None:
                request.transport.abort()
        return response

    async def _stream(
        self, response: web.StreamResponse, conversation: Conversation, first: QueryChunk | QueryEnd
    ) -> None:
        message: QueryChunk | QueryEnd | QueryError = first
        while isinstance(message, QueryChunk):
            await response.write(message.data)
            async with asyncio.timeout(self._settings.query_timeout_s + _SLACK_S):
                message = await conversation.receive()
        if isinstance(message, QueryError):
            raise UnavailableError(message.message)
        await response.write_eof()
