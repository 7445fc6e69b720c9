"""Cancel, kill, purge, pause, resume and restart. Owns: nothing; asks the worker of the invocation's partition."""

from __future__ import annotations

import os

from aiohttp import web

from metad.admin.errors import AdminError, FormError, json_response
from metad.admin.operator import Make, Operator
from metad.admin.outcomes import refusal, success
from metad.admin.parameters import index, invocation_id, one
from shared.api.partition import KEEP, LATEST, PauseRequest, RestartRequest, ResumeRequest, TerminateRequest
from shared.ids import encode_invocation_id, is_deployment_id
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
            web.patch("/invocations/{invocation_id}/cancel", self.cancel),
            web.patch("/invocations/{invocation_id}/kill", self.kill),
            web.patch("/invocations/{invocation_id}/purge", self.purge),
            web.patch("/invocations/{invocation_id}/purge-journal", self.purge_journal),
            web.patch("/invocations/{invocation_id}/pause", self.pause),
            web.patch("/invocations/{invocation_id}/resume", self.resume),
            web.patch("/invocations/{invocation_id}/restart-as-new", self.restart_as_new),
            web.delete("/invocations/{invocation_id}", self.delete),
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
        asked = invocation_id(request)
        return await self._patch(request, lambda partition: PauseRequest(1, partition, asked))

    async def resume(self, request: web.Request) -> web.Response:
        asked, deployment = invocation_id(request), _deployment(request, default=KEEP)
        return await self._patch(request, lambda partition: ResumeRequest(1, partition, asked, deployment))

    async def restart_as_new(self, request: web.Request) -> web.Response:
        asked, deployment = invocation_id(request), _deployment(request, default=LATEST)
        from_index = index(request, "from")
        new_id = new_invocation_id(asked)
        await self._patch(
            request, lambda partition: RestartRequest(1, partition, asked, new_id, from_index, deployment)
        )
        return json_response({"new_invocation_id": encode_invocation_id(new_id)})

    async def delete(self, request: web.Request) -> web.Response:
        """The old form: accepted whatever becomes of it."""
        text = one(request, "mode")
        mode = _MODES.get("cancel" if text is None else text)
        if mode is None:
            raise FormError(400, f"query parameter 'mode' is {text!r}: want cancel, kill or purge")
        asked = invocation_id(request)
        await self._operator.ask(asked, lambda partition: TerminateRequest(1, partition, asked, mode))
        return web.Response(status=202)

    async def _terminate(self, request: web.Request, mode: TerminateMode) -> web.Response:
        asked = invocation_id(request)
        return await self._patch(request, lambda partition: TerminateRequest(1, partition, asked, mode))

    async def _patch(self, request: web.Request, make: Make) -> web.Response:
        outcome = await self._operator.ask(invocation_id(request), make)
        status = success(outcome)
        if status is None:
            refused, message = refusal(outcome, request.match_info["invocation_id"])
            raise AdminError(refused, message)
        return web.Response(status=status)


def _deployment(request: web.Request, *, default: str) -> str:
    text = one(request, "deployment")
    if text is None:
        return default
    choice = deployment_choice(text)
    if choice is None:
        raise AdminError(400, f"query parameter 'deployment' is {text!r}: want keep, latest or a deployment's id")
    return choice


def deployment_choice(text: str) -> str | None:
    """`keep`, `latest` or a deployment's id; None: nothing of these."""
    if text.lower() in (KEEP, LATEST):
        return text.lower()
    return text if is_deployment_id(text) else None


def new_invocation_id(restarted: bytes) -> bytes:
    """Of the same partition. Made by who asks: sent again to another leader, it does not restart it twice."""
    return restarted[:8] + os.urandom(16)
