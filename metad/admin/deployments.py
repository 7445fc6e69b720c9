"""Register, list, show, update and remove deployments. Owns: nothing; proposes to group `meta`."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import web

from metad.admin.bodies import RegisterBody, UpdateBody, read_register_body, read_update_body
from metad.admin.errors import AdminError, FormError, json_response, rejected
from metad.admin.parameters import deployment_id, flag
from metad.admin.render import deployment_json, registered_json
from metad.admin.versions import api_version
from metad.meta_log import MetaLog
from metad.registry.address import Address, parse_address
from metad.registry.commands import RegisterDeployment, RemoveDeployment, UpdateDeployment
from metad.registry.discovery import discover
from metad.registry.errors import AddressError
from metad.registry.outcomes import Outcome, Registered, Rejected, Removed, Unchanged, Updated
from metad.registry.registry import decide, deployment_at
from shared.catalog.defaults import Defaults
from shared.catalog.deployments import Deployment
from shared.clock import Clock
from shared.errors import UnavailableError
from shared.ids import encode_deployment_id
from shared.transport.outbound import Outbound

__all__ = ["DeploymentRoutes"]

#: How long a change may wait for the log.
PROPOSE_TIMEOUT_S = 10.0
#: Times that a deployment is asked anew because another request has changed it meanwhile.
_TRIES_MAX = 5
_Ask = Callable[[Deployment], Awaitable[RegisterDeployment | UpdateDeployment]]


class DeploymentRoutes:
    """/deployments and below."""

    def __init__(self, meta_log: MetaLog, clock: Clock, outbound: Outbound, defaults: Defaults) -> None:
        self._meta_log = meta_log
        self._defaults = defaults
        self._clock = clock
        self._outbound = outbound
        #: Held from the last look at a deployment until its change is in the log.
        self._changing = asyncio.Lock()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/deployments", self.register),
            web.get("/deployments", self.list_deployments),
            web.get("/deployments/{deployment}", self.get_deployment),
            web.patch("/deployments/{deployment}", self.update),
            web.put("/deployments/{deployment}", self.put),
            web.delete("/deployments/{deployment}", self.remove),
        ]

    async def register(self, request: web.Request) -> web.Response:
        body = await read_register_body(request)
        version_2 = api_version(request) == 2
        force = version_2 if body.force is None else body.force
        address = _address(body)
        existing = deployment_at(await self._meta_log.known_state(), address.uri)
        if existing is not None and not force:
            # Known and not to be replaced: the deployment itself is not asked.
            return _registration_response(Unchanged(existing), self._defaults, version_2=version_2)
        if existing is None:
            command = await self._discover(address, body, force=force)
            outcome = await self._decided(command, dry_run=body.dry_run)
        else:
            outcome = await self._changed(
                existing, lambda _: self._discover(address, body, force=force), dry_run=body.dry_run
            )
        return _registration_response(outcome, self._defaults, version_2=version_2)

    async def _changed(self, known: Deployment, ask: _Ask, *, dry_run: bool) -> Outcome:
        """Of two that change one deployment at once, the later one sees what the earlier one did.

        A deployment that is asked slowly would else replace a younger answer by its older one, and a change of some
        fields would set the others back. Raises AdminError when it is changed again and again.
        """
        for _ in range(_TRIES_MAX):
            command = await ask(known)
            async with self._turn():
                held = self._meta_log.state.deployments.get(known.id)
                if held is None or held == known:
                    return await self._decided(command, dry_run=dry_run)
            known = held
        raise AdminError(409, f"deployment {known.id} was changed by others {_TRIES_MAX} times meanwhile: ask again")

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Raises UnavailableError when those before it wait too long for the log."""
        try:
            async with asyncio.timeout(PROPOSE_TIMEOUT_S):
                await self._changing.acquire()
        except TimeoutError as error:
            raise UnavailableError("changes of deployments wait for the log: ask again") from error
        try:
            yield
        finally:
            self._changing.release()

    async def _decided(self, command: RegisterDeployment | UpdateDeployment, *, dry_run: bool) -> Outcome:
        if dry_run:
            return decide(self._meta_log.state, command)[1]
        return await self._meta_log.propose(command, timeout_s=PROPOSE_TIMEOUT_S)

    async def _discover(self, address: Address, body: RegisterBody, *, force: bool) -> RegisterDeployment:
        headers = _sent_headers(body.additional_headers or {})
        now_ms = self._clock.now_ms()
        found = await discover(
            address, additional_headers=headers, use_http_11=body.use_http_11, outbound=self._outbound, now_ms=now_ms
        )
        # A ULID: 48 bits of time, 80 random ones.
        ulid = now_ms.to_bytes(6, "big") + os.urandom(10)
        return RegisterDeployment(
            id=encode_deployment_id(ulid),
            at_ms=now_ms,
            uri=address.uri,
            protocol_mode=found.manifest.protocol_mode,
            http_version=found.http_version,
            min_protocol_version=found.manifest.min_protocol_version,
            max_protocol_version=found.manifest.max_protocol_version,
            services=found.manifest.services,
            additional_headers=headers,
            metadata=body.metadata,
            sdk_version=found.sdk_version,
            force=force,
            breaking=body.breaking or force,
        )

    async def update(self, request: web.Request) -> web.Response:
        """Move a deployment, or send it other headers; what it serves changes only with `overwrite`."""
        body = await read_update_body(request)
        known = await self._known(request)
        if body.uri is None and body.additional_headers is None and body.use_http_11 is None:
            return json_response(deployment_json(known, self._defaults, detailed=True))
        outcome = await self._changed(known, lambda held: self._rediscover(held, body), dry_run=body.dry_run)
        if isinstance(outcome, Rejected):
            raise rejected(outcome)
        assert isinstance(outcome, Updated)
        return json_response(deployment_json(outcome.deployment, self._defaults, detailed=True))

    async def put(self, request: web.Request) -> web.Response:
        """The old method of `update`."""
        if api_version(request) > 2:
            raise AdminError(405, "PUT of a deployment is of admin API version 2: use PATCH")
        return await self.update(request)

    async def _rediscover(self, known: Deployment, body: UpdateBody) -> UpdateDeployment:
        address = _parsed(known.uri if body.uri is None else body.uri)
        headers = (
            known.additional_headers if body.additional_headers is None else _sent_headers(body.additional_headers)
        )
        use_http_11 = body.use_http_11
        if use_http_11 is None:
            # Where it moves to is asked anew how it can be spoken to.
            use_http_11 = body.uri is None and known.http_version == "HTTP/1.1"
        found = await discover(
            address,
            additional_headers=headers,
            use_http_11=use_http_11,
            outbound=self._outbound,
            now_ms=self._clock.now_ms(),
        )
        return UpdateDeployment(
            id=known.id,
            uri=address.uri,
            protocol_mode=found.manifest.protocol_mode,
            http_version=found.http_version,
            min_protocol_version=found.manifest.min_protocol_version,
            max_protocol_version=found.manifest.max_protocol_version,
            services=found.manifest.services,
            additional_headers=headers,
            sdk_version=found.sdk_version,
            overwrite=body.overwrite,
        )

    async def list_deployments(self, request: web.Request) -> web.Response:
        deployments = (await self._meta_log.known_state()).deployments.values()
        return json_response(
            {"deployments": [deployment_json(each, self._defaults, detailed=False) for each in deployments]}
        )

    async def get_deployment(self, request: web.Request) -> web.Response:
        return json_response(deployment_json(await self._known(request), self._defaults, detailed=True))

    async def _known(self, request: web.Request) -> Deployment:
        asked = deployment_id(request)
        deployment = (await self._meta_log.known_state()).deployments.get(asked)
        if deployment is None:
            raise AdminError(404, f"there is no deployment '{asked}': GET /deployments lists those that there are")
        return deployment

    async def remove(self, request: web.Request) -> web.Response:
        removed = deployment_id(request)
        if not flag(request, "force"):
            # Draining before the removal is not implemented, as in Restate.
            raise AdminError(
                501,
                f"deployment {removed} is not removed: that nothing uses it any more is not waited for; see by SQL "
                "(sys_invocation.pinned_deployment_id) that no invocation is pinned to it, then give ?force=true",
            )
        outcome = await self._meta_log.propose(RemoveDeployment(removed), timeout_s=PROPOSE_TIMEOUT_S)
        if isinstance(outcome, Rejected):
            raise rejected(outcome)
        assert isinstance(outcome, Removed)
        return web.Response(status=202)


def _sent_headers(given: dict[str, str]) -> dict[str, str]:
    """Blanks at the ends are no part of a value (RFC 9110 section 5.5), and HTTP/2 allows none."""
    return {name.lower(): value.strip(" \t") for name, value in sorted(given.items())}


def _parsed(uri: str) -> Address:
    try:
        return parse_address(uri)
    except AddressError as error:
        if error.malformed:
            raise FormError(422, f"field 'uri': {error}") from error
        raise AdminError(400, f"field 'uri': {error}") from error


def _address(body: RegisterBody) -> Address:
    address = _parsed(body.uri)
    if body.auth is not None:
        raise AdminError(400, "field 'auth': Google ID tokens are not supported")
    return address


def _registration_response(outcome: Outcome, defaults: Defaults, *, version_2: bool) -> web.Response:
    match outcome:
        case Registered(deployment=deployment, created=created):
            status = 201 if created or version_2 else 200
        case Unchanged(deployment=deployment):
            if version_2:
                raise AdminError(409, f"deployment {deployment.id} of this address exists: set 'force' to replace it")
            status = 200
        case Rejected():
            raise rejected(outcome)
        case _:
            raise AssertionError(f"a registration led to {outcome}")
    return json_response(
        registered_json(deployment, defaults), status=status, headers={"Location": f"deployments/{deployment.id}"}
    )
