"""Which deployment serves an invocation, by which protocol version, mode and options. Pure: no I/O.

Resolved once for each (pin, service, handler) and kept until the catalog changes.
"""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from partitiond.invoker.failure import AttemptError, AttemptFailure
from partitiond.invoker.http2.request import RequestHead
from partitiond.invoker.ports import CatalogView
from partitiond.invoker.protocol.habits import Habits
from shared.catalog.catalog import Catalog, HandlerOptions
from shared.catalog.deployments import Deployment, ProtocolMode
from shared.catalog.partitions import PartitionTable
from shared.catalog.services import Handler, Service, ServiceKind
from shared.protocol.versions import MAX_SERVICE_PROTOCOL, MIN_SERVICE_PROTOCOL
from shared.storage.values import InvocationRow
from shared.wal.commands import HandlerKind, Pin, Target

__all__ = ["Route", "Routes"]

#: Header fields, (lower-case name, value).
Fields = tuple[tuple[str, str], ...]

_DEFAULT_HANDLER = Handler("", HandlerKind.SERVICE)
_DEFAULT_SERVICE = Service("", ServiceKind.SERVICE, {}, "", 0)
_EMPTY_CATALOG = Catalog(0, {}, {}, PartitionTable(0, []))


class Route:
    """All that is the same for every attempt of a handler at a deployment."""

    __slots__ = (
        "bidi", "content_type", "deployment", "habits", "head", "options", "path", "pin", "signed_path", "version",
    )  # fmt: skip

    def __init__(
        self, deployment: Deployment, version: int, options: HandlerOptions, target: Target, headers: Fields
    ) -> None:
        self.deployment = deployment
        self.version = version
        self.options = options
        self.habits = Habits()
        #: First effect of an invocation that is not pinned yet.
        self.pin = Pin(deployment.id, version)
        #: An inactivity time-out of 0 asks for no waiting on an open stream at all.
        self.bidi = (
            deployment.protocol_mode == ProtocolMode.BIDI_STREAM
            and deployment.http_version != "HTTP/1.1"
            and options.inactivity_timeout_ms > 0
        )
        self.content_type = f"application/vnd.restate.invocation.v{version}"
        #: What a signature is for: a proxy may change what is before it.
        self.signed_path = f"/invoke/{quote(target.service)}/{quote(target.handler)}"
        self.path = urlsplit(deployment.uri).path.rstrip("/") + self.signed_path
        # As Restate does it, a deployment's headers are sent beside ours and replace none.
        additional = ((name.lower(), value) for name, value in deployment.additional_headers.items())
        own = (("content-type", self.content_type), ("accept", self.content_type))
        self.head = RequestHead("POST", self.path, (*own, *additional, *headers))


class Routes:
    """Routes by the newest catalog. `headers` are sent with every request."""

    def __init__(self, view: CatalogView, headers: Fields = ()) -> None:
        self._view = view
        self._headers = headers
        self._catalog: Catalog | None = None
        self._routes: dict[tuple[str | None, int, str, str], Route] = {}

    def resolve(self, row: InvocationRow) -> Route:
        """Raises AttemptError with the reason and the remedy when there is none now."""
        catalog = self._view.catalog
        if catalog is not self._catalog:
            self._routes.clear()
            self._catalog = catalog
        target = row.target
        known = (row.deployment_id, row.protocol_version, target.service, target.handler)
        route = self._routes.get(known)
        if route is None:
            route = self._routes[known] = _find(catalog, row, self._headers)
        return route

    def options_of(self, target: Target) -> HandlerOptions:
        """Also for a service that is not in the catalog: then the defaults."""
        return _options(self._view.catalog or _EMPTY_CATALOG, None, target)

    def deployment_of(self, target: Target, wanted: str | None) -> Deployment | None:
        """The deployment of this id, or (None) that of new invocations of `target`; None when there is none."""
        catalog = self._view.catalog or _EMPTY_CATALOG
        if wanted is not None:
            return catalog.deployments.get(wanted)
        service = catalog.services.get(target.service)
        return None if service is None else catalog.deployments.get(service.deployment_id)


def _find(catalog: Catalog | None, row: InvocationRow, headers: Fields) -> Route:
    target = row.target
    if catalog is None:
        raise AttemptError(AttemptFailure("RT0011", "the catalog of services is not known to this worker yet"))
    if row.deployment_id is not None:
        deployment = _require_deployment(catalog, row.deployment_id, "it is pinned to")
        version = row.protocol_version
        if not MIN_SERVICE_PROTOCOL <= version <= MAX_SERVICE_PROTOCOL:
            text = f"it was started with service protocol v{version}; {_our_versions()}"
            raise AttemptError(AttemptFailure("RT0014", text))
    else:
        service = catalog.services.get(target.service)
        if service is None or target.handler not in service.handlers:
            text = f"no such handler: {target.service}/{target.handler}; register its deployment"
            raise AttemptError(AttemptFailure("RT0011", text))
        deployment = _require_deployment(catalog, service.deployment_id, "its service names")
        version = min(MAX_SERVICE_PROTOCOL, deployment.max_protocol_version)
        if version < max(MIN_SERVICE_PROTOCOL, deployment.min_protocol_version):
            spoken = f"v{deployment.min_protocol_version} to v{deployment.max_protocol_version}"
            text = f"deployment {deployment.id} speaks service protocol {spoken}; {_our_versions()}"
            raise AttemptError(AttemptFailure("RT0020", text))
    options = _options(catalog, deployment, target)
    try:
        return Route(deployment, version, options, target, headers)
    except ValueError as error:
        text = f"deployment {deployment.id} cannot be called: {error}"
        raise AttemptError(AttemptFailure("RT0010", text)) from error


def _our_versions() -> str:
    return f"this runtime speaks v{MIN_SERVICE_PROTOCOL} to v{MAX_SERVICE_PROTOCOL}"


def _require_deployment(catalog: Catalog, deployment_id: str, why: str) -> Deployment:
    deployment = catalog.deployments.get(deployment_id)
    if deployment is None:
        text = f"the deployment {why}, {deployment_id}, is not registered any more"
        raise AttemptError(AttemptFailure("RT0011", text))
    return deployment


def _options(catalog: Catalog, deployment: Deployment | None, target: Target) -> HandlerOptions:
    """The operator patches the latest revision, so its options hold; a handler it has not keeps those discovered."""
    for services in (catalog.services, deployment.services if deployment else {}):
        service = services.get(target.service)
        if service is not None and target.handler in service.handlers:
            return catalog.options_of(service, service.handlers[target.handler])
    return catalog.options_of(_DEFAULT_SERVICE, _DEFAULT_HANDLER)
