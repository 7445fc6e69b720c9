"""Cancel, kill and purge. Owns: nothing; asks the worker that hosts the invocation's partition."""

from __future__ import annotations

import asyncio
import logging

import msgspec
from aiohttp import web

from metad.admin.errors import AdminError, FormError
from metad.meta_log import MetaLog
from metad.peers import ask
from shared.api.partition import Moved, PartitionReply, TerminateReply, TerminateRequest
from shared.config import Settings
from shared.errors import UnavailableError
from shared.ids import decode_invocation_id, partition_key_of
from shared.wal.commands import TerminateMode

__all__ = ["InvocationRoutes"]

_log = logging.getLogger(__name__)
_decode_reply = msgspec.msgpack.Decoder(PartitionReply).decode
#: A leader change takes less than this; the request may be repeated.
_WHOLE_TIMEOUT_S = 10.0
_BACKOFF_FIRST_S = 0.05
_BACKOFF_MAX_S = 1.0

_MODES = {
    "Cancel": TerminateMode.CANCEL,
    "cancel": TerminateMode.CANCEL,
    "Kill": TerminateMode.KILL,
    "kill": TerminateMode.KILL,
    "Purge": TerminateMode.PURGE,
    "purge": TerminateMode.PURGE,
}


class InvocationRoutes:
    """/invocations/{id}."""

    def __init__(self, settings: Settings, meta_log: MetaLog) -> None:
        self._settings = settings
        self._meta_log = meta_log

    def routes(self) -> list[web.RouteDef]:
        return [
            web.patch("/invocations/{invocation}/cancel", self.cancel),
            web.patch("/invocations/{invocation}/kill", self.kill),
            web.patch("/invocations/{invocation}/purge", self.purge),
            web.delete("/invocations/{invocation}", self.delete),
        ]

    async def cancel(self, request: web.Request) -> web.Response:
        return await self._patch(request, TerminateMode.CANCEL)

    async def kill(self, request: web.Request) -> web.Response:
        return await self._patch(request, TerminateMode.KILL)

    async def purge(self, request: web.Request) -> web.Response:
        return await self._patch(request, TerminateMode.PURGE)

    async def delete(self, request: web.Request) -> web.Response:
        """The old form: accepted whatever becomes of it."""
        mode = _MODES.get(request.query.get("mode", "cancel"))
        if mode is None:
            raise FormError(400, f"query parameter 'mode' is {request.query['mode']!r}: want cancel, kill or purge")
        await self._terminate(_invocation_id(request), mode)
        return web.Response(status=202)

    async def _patch(self, request: web.Request, mode: TerminateMode) -> web.Response:
        text = request.match_info["invocation"]
        outcome = await self._terminate(_invocation_id(request), mode)
        match outcome:
            case "appended":
                return web.Response(status=202)
            case "done":
                return web.Response(status=200)
            case "not_found":
                raise AdminError(404, f"there is no invocation '{text}'")
            case "completed":
                raise AdminError(409, f"invocation '{text}' has ended before")
            case "not_completed":
                raise AdminError(409, f"invocation '{text}' has not ended yet: cancel or kill it first")
            case _:
                raise AssertionError(f"a worker answered {outcome!r} to a terminate request")

    async def _terminate(self, invocation_id: bytes, mode: TerminateMode) -> str:
        """Ask until the partition's leader has answered. Raises UnavailableError."""
        deadline = asyncio.get_running_loop().time() + _WHOLE_TIMEOUT_S
        backoff_s = _BACKOFF_FIRST_S
        while True:
            remaining_s = deadline - asyncio.get_running_loop().time()
            try:
                return await self._ask_leader(invocation_id, mode, timeout_s=max(remaining_s, _BACKOFF_FIRST_S))
            except UnavailableError as error:
                if remaining_s <= backoff_s:
                    raise
                _log.warning("%s: %s, trying again", mode.name.lower(), error)
            await asyncio.sleep(backoff_s)
            backoff_s = min(backoff_s * 2, _BACKOFF_MAX_S)

    async def _ask_leader(self, invocation_id: bytes, mode: TerminateMode, *, timeout_s: float) -> str:
        table = self._meta_log.state.partition_table
        if table is None:
            raise UnavailableError("there is no partition table yet")
        partition = table.partition_of(partition_key_of(invocation_id))
        name = f"partitiond-{self._settings.worker_of(partition.id)}"
        reply = await ask(
            self._settings.socket(name),
            TerminateRequest(1, partition.id, invocation_id, mode),
            _decode_reply,
            name=name,
            timeout_s=timeout_s,
        )
        if isinstance(reply, Moved):
            raise UnavailableError(f"partition {partition.id} is not led by {name}: {reply.message}")
        assert isinstance(reply, TerminateReply), f"{name} answered {type(reply).__name__} to a terminate request"
        return reply.outcome


def _invocation_id(request: web.Request) -> bytes:
    try:
        return decode_invocation_id(request.match_info["invocation"])
    except ValueError as error:
        raise AdminError(400, f"field 'invocation_id': {error}") from error
