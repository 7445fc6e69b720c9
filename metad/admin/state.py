"""Replace the state of an object or workflow. Owns: nothing; asks the leader of its partition.

Answered when the log has it: the change is made then, or when the calls before it have ended. That the state has
another version by then, so that nothing is changed, is not told, as in Restate. With 503 it is not known whether the
log has it: who names a version may ask again.
"""

from __future__ import annotations

import os

from aiohttp import web

from metad.admin.bodies import StateBody, read_json
from metad.admin.errors import AdminError
from metad.admin.operator import Operator
from metad.meta_log import MetaLog
from shared.api.partition import PatchStateReply, PatchStateRequest
from shared.catalog.services import ServiceKind
from shared.clock import Clock
from shared.ids import target_partition_key
from shared.limits import check_scope
from shared.wal.commands import PatchState

__all__ = ["StateRoutes"]

#: No object with a longer key can be called: it would not fit in the head of a request.
_NAMES_BYTES_MAX = 60_000


class StateRoutes:
    """/services/{service}/state."""

    def __init__(self, meta_log: MetaLog, operator: Operator, clock: Clock) -> None:
        self._meta_log = meta_log
        self._operator = operator
        self._clock = clock

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/services/{service}/state", self.modify)]

    async def modify(self, request: web.Request) -> web.Response:
        service = request.match_info["service"]
        body = await read_json(request, StateBody)
        await self._check_service(service, body)
        _check_names(service, body)
        # Made once: the leader knows the request again by it.
        uid = self._clock.now_ms().to_bytes(8, "big") + os.urandom(8)
        state = sorted((name.encode(), _value(value)) for name, value in body.new_state.items())
        patch = PatchState(uid, service, body.object_key, body.scope, body.version, state)
        reply = await self._operator.ask_at(
            target_partition_key(body.scope, body.object_key),
            lambda partition: PatchStateRequest(1, partition, patch),
            about=f"state of {service}",
        )
        assert isinstance(reply, PatchStateReply), f"a worker answered {type(reply).__name__} to a change of state"
        return web.Response(status=202)

    async def _check_service(self, name: str, body: StateBody) -> None:
        """What a service that is gone has left may still be cleared."""
        service = (await self._meta_log.known_state()).services.get(name)
        if service is None:
            if body.new_state:
                raise AdminError(404, f"there is no service '{name}': only clearing what it left is possible")
        elif service.kind is ServiceKind.SERVICE:
            raise AdminError(400, f"'{name}' is of type Service, which has no state: want an object or a workflow")


def _check_names(service: str, body: StateBody) -> None:
    size = len(service.encode()) + len(body.object_key.encode())
    if size > _NAMES_BYTES_MAX:
        text = f"field 'object_key': with the service it is {size} bytes, the most is {_NAMES_BYTES_MAX}"
        raise AdminError(400, text)
    if body.scope is not None:
        try:
            check_scope(body.scope)
        except ValueError as error:
            raise AdminError(400, f"field 'scope': {error}") from error


def _value(given: list[int] | str) -> bytes:
    return given.encode() if isinstance(given, str) else bytes(given)
