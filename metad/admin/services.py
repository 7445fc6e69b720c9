"""Services and handlers. Owns: nothing; reads the registry's state."""

from __future__ import annotations

from aiohttp import web

from metad.admin.errors import AdminError, json_response
from metad.admin.render import handler_json, service_json
from metad.meta_log import MetaLog
from shared.catalog.defaults import Defaults
from shared.catalog.deployments import Deployment
from shared.catalog.services import Service

__all__ = ["ServiceRoutes"]


class ServiceRoutes:
    """GET /services and below."""

    def __init__(self, meta_log: MetaLog, defaults: Defaults) -> None:
        self._meta_log = meta_log
        self._defaults = defaults

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/services", self.list_services),
            web.get("/services/{service}", self.get_service),
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

    async def list_handlers(self, request: web.Request) -> web.Response:
        service, deployment = await self._service(request)
        return json_response({"handlers": [handler_json(handler, deployment) for handler in service.handlers.values()]})

    async def get_handler(self, request: web.Request) -> web.Response:
        service, deployment = await self._service(request)
        name = request.match_info["handler"]
        handler = service.handlers.get(name)
        if handler is None:
            raise AdminError(404, f"service '{service.name}' has no handler '{name}'")
        return json_response(handler_json(handler, deployment))

    async def _service(self, request: web.Request) -> tuple[Service, Deployment]:
        """The newest revision and the deployment that serves it."""
        name = request.match_info["service"]
        state = await self._meta_log.known_state()
        service = state.services.get(name)
        if service is None:
            raise AdminError(404, f"there is no service '{name}'")
        return service, state.deployments[service.deployment_id]
