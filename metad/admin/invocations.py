"""Cancel, kill, purge, pause, resume and restart. Owns: nothing; asks the worker of the invocation's partition."""

from __future__ import annotations

import os

from aiohttp import web

from metad.admin.errors import AdminError, FormError, json_response
from metad.admin.operator import Make, Operator
from metad.admin.outcomes import refusal, success
from shared.api.partition import KEEP, LATEST, PauseRequest, RestartRequest, ResumeRequest, TerminateRequest
from shared.ids import decode_invocation_id, encode_invocation_id
from shared.wal.commands import TerminateMode

__all__ = ["InvocationRoutes", "deployment_choice", "new_invocation_id"]

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

    def __init__(self, operator: Operator) -> None:
        self._operator = operator

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
        new_id = new_invocation_id(invocation_id)
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
        await self._operator.ask(invocation_id, lambda partition: TerminateRequest(1, partition, invocation_id, mode))
        return web.Response(status=202)

    async def _terminate(self, request: web.Request, mode: TerminateMode) -> web.Response:
        invocation_id = _invocation_id(request)
        return await self._patch(request, lambda partition: TerminateRequest(1, partition, invocation_id, mode))

    async def _patch(self, request: web.Request, make: Make) -> web.Response:
        outcome = await self._operator.ask(_invocation_id(request), make)
        status = success(outcome)
        if status is None:
            refused, message = refusal(outcome, request.match_info["invocation"])
            raise AdminError(refused, message)
        return web.Response(status=status)


def _invocation_id(request: web.Request) -> bytes:
    try:
        return decode_invocation_id(request.match_info["invocation"])
    except ValueError as error:
        raise AdminError(400, f"field 'invocation_id': {error}") from error


def _deployment(request: web.Request, *, default: str) -> str:
    text = request.query.get("deployment", default)
    choice = deployment_choice(text)
    if choice is None:
        raise AdminError(400, f"query parameter 'deployment' is {text!r}: want keep, latest or a deployment's id")
    return choice


def deployment_choice(text: str) -> str | None:
    """`keep`, `latest` or a deployment's id; None: nothing of these."""
    if text.lower() in (KEEP, LATEST):
        return text.lower()
    return text if text.startswith("dp_") and text[3:].isalnum() else None


def new_invocation_id(restarted: bytes) -> bytes:
    """Of the same partition. Made by who asks: sent again to another leader, it does not restart it twice."""
    return restarted[:8] + os.urandom(16)


def _from_index(request: web.Request) -> int:
    text = request.query.get("from", "0")
    if not (text.isascii() and text.isdigit()) or int(text) >= 1 << 32:
        raise FormError(400, f"query parameter 'from' is {text!r}: want the index of a journal entry")
    return int(text)
