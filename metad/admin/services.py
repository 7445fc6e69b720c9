"""Show services and handlers, change a service's options. Owns: nothing; proposes to group `meta`."""

from __future__ import annotations

from aiohttp import web

from metad.admin.bodies import ModifyBody, read_json
from metad.admin.deployments import PROPOSE_TIMEOUT_S
from metad.admin.errors import AdminError, FormError, json_response, rejected
from metad.admin.render import handler_json, service_json
from metad.admin.service_openapi import service_openapi
from metad.meta_log import MetaLog
from metad.registry.commands import ModifyService
from metad.registry.manifest import DURATION_MS_LIMIT
from metad.registry.outcomes import Modified, Rejected
from shared.catalog.defaults import Defaults
from shared.catalog.deployments import Deployment
from shared.catalog.services import Service
from shared.durations import parse_duration

__all__ = ["ServiceRoutes"]

#: As Restate's: the days between the years -9999 and 9999.
_DURATION_MS_MAX = 7_304_484 * 86_400_000
#: In the order of ModifyService's fields.
_DURATIONS = (
    "idempotency_retention",
    "workflow_completion_retention",
    "journal_retention",
    "inactivity_timeout",
    "abort_timeout",
)


class ServiceRoutes:
    """/services and below."""

    def __init__(self, meta_log: MetaLog, defaults: Defaults, *, ingress: str) -> None:
        """`ingress`: the URL by which clients reach it."""
        self._meta_log = meta_log
        self._ingress = ingress
        self._defaults = defaults

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/services", self.list_services),
            web.get("/services/{service}", self.get_service),
            web.patch("/services/{service}", self.modify_service),
            web.get("/services/{service}/openapi", self.openapi),
            web.get("/services/{service}/handlers", self.list_handlers),
            web.get("/services/{service}/handlers/{handler}", self.get_handler),
        ]

    async def list_services(self, request: web.Request) -> web.Response:
        state = await self._meta_log.known_state()
        shown = [
            service_json(each, state.deployments[each.deployment_id], self._defaults)
            for each in state.services.values()
        ]
        return json_response({"services": shown})

    async def get_service(self, request: web.Request) -> web.Response:
        service, deployment = await self._service(request)
        return json_response(service_json(service, deployment, self._defaults))

    async def modify_service(self, request: web.Request) -> web.Response:
        body = await read_json(request, ModifyBody)
        command = ModifyService(
            request.match_info["service"],
            body.public,
            *(_duration_ms(name, getattr(body, name)) for name in _DURATIONS),
        )
        if command == ModifyService(command.name):
            return await self.get_service(request)
        outcome = await self._meta_log.propose(command, timeout_s=PROPOSE_TIMEOUT_S)
        if isinstance(outcome, Rejected):
            raise rejected(outcome)
        assert isinstance(outcome, Modified)
        return json_response(service_json(outcome.service, outcome.deployment, self._defaults))

    async def openapi(self, request: web.Request) -> web.Response:
        service, _ = await self._service(request)
        return json_response(service_openapi(service, self._ingress))

    async def list_handlers(self, request: web.Request) -> web.Response:
        service, deployment = await self._service(request)
        shown = [handler_json(handler, service, deployment) for handler in service.handlers.values()]
        return json_response({"handlers": shown})

    async def get_handler(self, request: web.Request) -> web.Response:
        service, deployment = await self._service(request)
        name = request.match_info["handler"]
        handler = service.handlers.get(name)
        if handler is None:
            raise AdminError(404, f"service '{service.name}' has no handler '{name}': GET …/handlers lists what it has")
        return json_response(handler_json(handler, service, deployment))

    async def _service(self, request: web.Request) -> tuple[Service, Deployment]:
        """The newest revision and the deployment that serves it."""
        name = request.match_info["service"]
        state = await self._meta_log.known_state()
        service = state.services.get(name)
        if service is None:
            raise AdminError(404, f"there is no service '{name}': GET /services lists those that there are")
        return service, state.deployments[service.deployment_id]


def _duration_ms(field: str, text: str | None) -> int | None:
    if text is None:
        return None
    try:
        duration_ms = parse_duration(text)
    except ValueError as error:
        raise FormError(422, f"field '{field}' is {text!r}: {error}") from error
    if duration_ms > _DURATION_MS_MAX:
        raise FormError(422, f"field '{field}' is {text!r}: longer than the 20 000 years that there are")
    return min(duration_ms, DURATION_MS_LIMIT)
