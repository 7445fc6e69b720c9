"""The verbs of `invocations` for up to a thousand at once, as the CLI and consoles use them. Owns: nothing.

Each invocation succeeds or fails on its own: the answer says which, and why.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from aiohttp import web

from metad.admin.bodies import BatchBody, MovableBatchBody, read_json
from metad.admin.errors import AdminError, FormError, json_response
from metad.admin.invocations import deployment_choice, new_invocation_id
from metad.admin.operator import Operator
from metad.admin.outcomes import refusal, success
from shared.api.partition import KEEP, LATEST, PauseRequest, RestartRequest, ResumeRequest, TerminateRequest
from shared.errors import UnavailableError
from shared.ids import decode_invocation_id, encode_invocation_id
from shared.wal.commands import TerminateMode

__all__ = ["BATCH_MAX", "BatchRoutes"]

#: Ids in one request (admin_api.md, part A1).
BATCH_MAX = 1000
#: Questions to workers that are open at once: enough that the log takes many in one batch.
_OPEN_MAX = 64
_PATH = "/internal/invocations_batch_operations"

#: Partition id, invocation id -> the request to its leader.
_MakeOne = Callable[[int, bytes], msgspec.Struct]


class BatchRoutes:
    """/internal/invocations_batch_operations."""

    def __init__(self, operator: Operator) -> None:
        self._operator = operator

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post(f"{_PATH}/cancel", self._terminating(TerminateMode.CANCEL)),
            web.post(f"{_PATH}/kill", self._terminating(TerminateMode.KILL)),
            web.post(f"{_PATH}/purge", self._terminating(TerminateMode.PURGE)),
            web.post(f"{_PATH}/purge-journal", self._terminating(TerminateMode.PURGE_JOURNAL)),
            web.post(f"{_PATH}/pause", self.pause),
            web.post(f"{_PATH}/resume", self.resume),
            web.post(f"{_PATH}/restart-as-new", self.restart_as_new),
        ]

    def _terminating(self, mode: TerminateMode) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def terminate(request: web.Request) -> web.Response:
            ids = _ids((await read_json(request, BatchBody)).invocation_ids)
            return await self._each(ids, lambda partition, each: TerminateRequest(1, partition, each, mode))

        return terminate

    async def pause(self, request: web.Request) -> web.Response:
        ids = _ids((await read_json(request, BatchBody)).invocation_ids)
        return await self._each(ids, lambda partition, each: PauseRequest(1, partition, each))

    async def resume(self, request: web.Request) -> web.Response:
        body = await read_json(request, MovableBatchBody)
        ids, deployment = _ids(body.invocation_ids), _deployment(body, default=KEEP)
        return await self._each(ids, lambda partition, each: ResumeRequest(1, partition, each, deployment))

    async def restart_as_new(self, request: web.Request) -> web.Response:
        body = await read_json(request, MovableBatchBody)
        ids, deployment = _ids(body.invocation_ids), _deployment(body, default=LATEST)
        # By place: an id that is given twice is restarted twice.
        new_ids = [new_invocation_id(each) for each in ids]

        async def restart(place: int) -> str | None:
            old, new = ids[place], new_ids[place]
            return await self._one(old, lambda partition, each: RestartRequest(1, partition, each, new, 0, deployment))

        errors = await _few_at_a_time(restart, range(len(ids)))
        done = [
            {"old_invocation_id": encode_invocation_id(old), "new_invocation_id": encode_invocation_id(new)}
            for old, new, error in zip(ids, new_ids, errors, strict=True)
            if error is None
        ]
        return json_response({"succeeded": done, "failed": _failed(ids, errors)})

    async def _each(self, ids: list[bytes], make: _MakeOne) -> web.Response:
        errors = await _few_at_a_time(lambda place: self._one(ids[place], make), range(len(ids)))
        done = [encode_invocation_id(each) for each, error in zip(ids, errors, strict=True) if error is None]
        return json_response({"succeeded": done, "failed": _failed(ids, errors)})

    async def _one(self, invocation_id: bytes, make: _MakeOne) -> str | None:
        """Why it failed."""
        try:
            outcome = await self._operator.ask(invocation_id, lambda partition: make(partition, invocation_id))
        except UnavailableError as error:
            return str(error)
        return None if success(outcome) is not None else refusal(outcome, encode_invocation_id(invocation_id))[1]


async def _few_at_a_time(start: Callable[[int], Awaitable[str | None]], places: Sequence[int]) -> list[str | None]:
    room = asyncio.Semaphore(_OPEN_MAX)

    async def in_turn(place: int) -> str | None:
        async with room:
            return await start(place)

    return await asyncio.gather(*(in_turn(place) for place in places))


def _ids(texts: list[str]) -> list[bytes]:
    if len(texts) > BATCH_MAX:
        raise AdminError(
            400, f"field 'invocation_ids' has {len(texts)} ids: at most {BATCH_MAX} at once, send the rest in another"
        )
    ids = []
    for text in texts:
        try:
            ids.append(decode_invocation_id(text))
        except ValueError as error:
            raise FormError(422, f"field 'invocation_ids': {error}") from error
    return ids


def _deployment(body: MovableBatchBody, *, default: str) -> str:
    text = default if body.deployment is None else body.deployment
    choice = deployment_choice(text)
    if choice is None:
        raise AdminError(400, f"field 'deployment' is {text!r}: want Keep, Latest or a deployment's id")
    return choice


def _failed(ids: list[bytes], errors: list[str | None]) -> list[dict[str, Any]]:
    return [
        {"invocation_id": encode_invocation_id(each), "error": error}
        for each, error in zip(ids, errors, strict=True)
        if error is not None
    ]
