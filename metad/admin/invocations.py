"""Cancel, kill, purge, pause, resume and restart. Owns: nothing; asks the worker of the invocation's partition."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable

import msgspec
from aiohttp import web

from metad.admin.errors import AdminError, FormError, json_response
from metad.admin.outcomes import refusal, success
from metad.meta_log import MetaLog
from metad.peers import ask
from shared.api.partition import (
    KEEP,
    LATEST,
    Moved,
    PartitionReply,
    PauseRequest,
    RestartRequest,
    ResumeRequest,
    TerminateReply,
    TerminateRequest,
)
from shared.config import Settings
from shared.errors import UnavailableError
from shared.ids import decode_invocation_id, encode_invocation_id, partition_key_of
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

#: Partition id -> the request to its leader.
_Make = Callable[[int], msgspec.Struct]


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
            web.patch("/invocations/{invocation}/purge-journal", self.purge_journal),
            web.patch("/invocations/{invocation}/pause", self.pause),
            web.patch("/invocations/{invocation}/resume", self.resume),
            web.patch("/invocations/{invocation}/restart-as-new", self.restart_as_new),
            web.delete("/invocations/{invocation}", self.delete),
        ]

    async def cancel(self, request: web.Request) -> web.Response:
        return await self._terminate(request, TerminateMode.CANCEL)

    async def kill(self, request: web.Request) -> web.Response:
        return await self._terminate(request, TerminateMode.KILL)

    async def purge(self, request: web.Request) -> web.Response:
        return await self._terminate(request, TerminateMode.PURGE)

    async def purge_journal(self, request: web.Request) -> web.Response:
        return await self._terminate(request, TerminateMode.PURGE_JOURNAL)

    async def pause(self, request: web.Request) -> web.Response:
        invocation_id = _invocation_id(request)
        return await self._patch(request, lambda partition: PauseRequest(1, partition, invocation_id))

    async def resume(self, request: web.Request) -> web.Response:
        invocation_id, deployment = _invocation_id(request), _deployment(request, default=KEEP)
        return await self._patch(request, lambda partition: ResumeRequest(1, partition, invocation_id, deployment))

    async def restart_as_new(self, request: web.Request) -> web.Response:
        invocation_id, deployment = _invocation_id(request), _deployment(request, default=LATEST)
        from_index = _from_index(request)
        # Made here, so that a request that is sent again to another leader does not restart it twice.
        new_id = invocation_id[:8] + os.urandom(16)
        await self._patch(
            request, lambda partition: RestartRequest(1, partition, invocation_id, new_id, from_index, deployment)
        )
        return json_response({"new_invocation_id": encode_invocation_id(new_id)})

    async def delete(self, request: web.Request) -> web.Response:
        """The old form: accepted whatever becomes of it."""
        mode = _MODES.get(request.query.get("mode", "cancel"))
        if mode is None:
            raise FormError(400, f"query parameter 'mode' is {request.query['mode']!r}: want cancel, kill or purge")
        invocation_id = _invocation_id(request)
        await self._ask(invocation_id, lambda partition: TerminateRequest(1, partition, invocation_id, mode))
        return web.Response(status=202)

    async def _terminate(self, request: web.Request, mode: TerminateMode) -> web.Response:
        invocation_id = _invocation_id(request)
        return await self._patch(request, lambda partition: TerminateRequest(1, partition, invocation_id, mode))

    async def _patch(self, request: web.Request, make: _Make) -> web.Response:
        outcome = await self._ask(_invocation_id(request), make)
        status = success(outcome)
        if status is None:
            refused, message = refusal(outcome, request.match_info["invocation"])
            raise AdminError(refused, message)
        return web.Response(status=status)

    async def _ask(self, invocation_id: bytes, make: _Make) -> str:
        """Ask until the partition's leader has answered. Raises UnavailableError."""
        deadline = asyncio.get_running_loop().time() + _WHOLE_TIMEOUT_S
        backoff_s = _BACKOFF_FIRST_S
        while True:
            remaining_s = deadline - asyncio.get_running_loop().time()
            try:
                return await self._ask_leader(invocation_id, make, timeout_s=max(remaining_s, _BACKOFF_FIRST_S))
            except UnavailableError as error:
                if remaining_s <= backoff_s:
                    raise
                _log.warning("invocation=%s: %s, trying again", encode_invocation_id(invocation_id), error)
            await asyncio.sleep(backoff_s)
            backoff_s = min(backoff_s * 2, _BACKOFF_MAX_S)

    async def _ask_leader(self, invocation_id: bytes, make: _Make, *, timeout_s: float) -> str:
        table = self._meta_log.state.partition_table
        if table is None:
            raise UnavailableError("there is no partition table yet")
        partition = table.partition_of(partition_key_of(invocation_id))
        name = f"partitiond-{self._settings.worker_of(partition.id)}"
        request = make(partition.id)
        reply = await ask(self._settings.socket(name), request, _decode_reply, name=name, timeout_s=timeout_s)
        if isinstance(reply, Moved):
            raise UnavailableError(f"partition {partition.id} is not led by {name}: {reply.message}")
        asked = type(request).__name__
        assert isinstance(reply, TerminateReply), f"{name} answered {type(reply).__name__} to {asked}"
        return reply.outcome


def _invocation_id(request: web.Request) -> bytes:
    try:
        return decode_invocation_id(request.match_info["invocation"])
    except ValueError as error:
        raise AdminError(400, f"field 'invocation_id': {error}") from error


def _deployment(request: web.Request, *, default: str) -> str:
    text = request.query.get("deployment", default)
    if text.lower() in (KEEP, LATEST):
        return text.lower()
    if not text.startswith("dp_") or not text[3:].isalnum():
        raise AdminError(400, f"query parameter 'deployment' is {text!r}: want keep, latest or a deployment's id")
    return text


def _from_index(request: web.Request) -> int:
    text = request.query.get("from", "0")
    if not (text.isascii() and text.isdigit()) or int(text) >= 1 << 32:
        raise FormError(400, f"query parameter 'from' is {text!r}: want the index of a journal entry")
    return int(text)
