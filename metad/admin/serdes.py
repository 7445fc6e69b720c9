"""Values of services as JSON and back, as the services' SDK does it: previews of consoles. Owns: nothing.

The endpoint is asked as by discovery: the same HTTP version, additional headers and signature.
"""

from __future__ import annotations

import asyncio
from urllib.parse import quote

from aiohttp import web

from metad.admin.errors import AdminError, FormError
from metad.meta_log import MetaLog
from metad.registry.address import parse_address
from metad.registry.errors import DiscoveryError
from metad.registry.http2_call import Response
from metad.registry.service_call import ServiceRequest, call_service
from shared.catalog.deployments import Deployment
from shared.clock import Clock
from shared.errors import UnavailableError
from shared.transport.outbound import Outbound

__all__ = ["SerdesRoutes"]

#: As large as a value can be.
_BYTES_LIMIT = 32 * 1024 * 1024
_TIMEOUT_S = 30.0
#: Previews at a time, each with a value and its other form in memory.
_AT_ONCE = 4
_QUOTED_BYTES_LIMIT = 2000
_PROTOCOL = ("x-restate-serdes-protocol", "v1")
_JSON = "application/json"
_HEADERS = {
    "decode": [("content-type", "application/octet-stream"), ("accept", _JSON), _PROTOCOL],
    "encode": [("content-type", _JSON), ("accept", "*/*"), _PROTOCOL],
}


class SerdesRoutes:
    """/internal/services/{service}/serdes."""

    def __init__(self, meta_log: MetaLog, outbound: Outbound, clock: Clock) -> None:
        self._meta_log = meta_log
        self._outbound = outbound
        self._clock = clock
        self._free = asyncio.Semaphore(_AT_ONCE)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/internal/services/{service}/serdes/decode/{serde:.+}", self.decode),
            web.post("/internal/services/{service}/serdes/encode/{serde:.+}", self.encode),
        ]

    async def decode(self, request: web.Request) -> web.Response:
        """A value -> JSON."""
        return await self._convert(request, "decode")

    async def encode(self, request: web.Request) -> web.Response:
        """JSON -> a value."""
        return await self._convert(request, "encode")

    async def _convert(self, request: web.Request, operation: str) -> web.Response:
        deployment = await self._deployment(request)
        service, serde = request.match_info["service"], request.match_info["serde"]
        path = f"/serdes/{quote(service, safe='')}/{operation}/{quote(serde)}"
        async with self._free:
            sent = ServiceRequest("POST", path, _HEADERS[operation], await _body(request))
            response = await self._ask(deployment, sent)
        if not 200 <= response.status < 300:
            quoted = response.body[:_QUOTED_BYTES_LIMIT].decode(errors="replace")
            hint = ": its SDK has no previews, or no serde of this name" if response.status == 404 else ""
            raise AdminError(
                500, f"{deployment.uri} answered {path} with status {response.status}{hint}. It said: {quoted}"
            )
        return web.Response(body=response.body)

    async def _ask(self, deployment: Deployment, request: ServiceRequest) -> Response:
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                response, _ = await call_service(
                    parse_address(deployment.uri),
                    request,
                    additional_headers=deployment.additional_headers,
                    use_http_11=deployment.http_version == "HTTP/1.1",
                    outbound=self._outbound,
                    now_ms=self._clock.now_ms(),
                    bytes_limit=_BYTES_LIMIT,
                )
                return response
        except TimeoutError as error:
            raise AdminError(500, f"{deployment.uri} did not answer within {_TIMEOUT_S:.0f} s") from error
        except (UnavailableError, DiscoveryError) as error:
            raise AdminError(500, str(error)) from error

    async def _deployment(self, request: web.Request) -> Deployment:
        """The one that is named, else that of new invocations."""
        state = await self._meta_log.known_state()
        named = request.query.get("deployment")
        if named is not None:
            if not (named.startswith("dp_") and named.isascii() and named[3:].isalnum()):
                raise FormError(400, f"query parameter 'deployment' is {named!r}: want a deployment's id")
            if named not in state.deployments:
                raise AdminError(404, f"there is no deployment '{named}'")
            return state.deployments[named]
        service = state.services.get(request.match_info["service"])
        if service is None:
            raise AdminError(404, f"there is no service '{request.match_info['service']}'")
        return state.deployments[service.deployment_id]


async def _body(request: web.Request) -> bytes:
    """Larger than what the other routes take. Who sends it slowly does not keep others waiting."""
    body = bytearray()
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > _BYTES_LIMIT:
                    raise FormError(413, f"the body is over {_BYTES_LIMIT} bytes")
    except TimeoutError as error:
        raise FormError(408, f"the body did not come within {_TIMEOUT_S:.0f} s") from error
    return bytes(body)
