"""Catalogs as metad would publish them, and what a discovery answer becomes."""

from __future__ import annotations

from typing import Any

import msgspec

from metad.registry.answer import decode_answer
from metad.registry.manifest import read_manifest
from partitiond.ingress.directory import Directory, build_directory
from shared.catalog.catalog import Catalog
from shared.catalog.partitions import PartitionTable, even_partitions
from shared.catalog.services import Handler, InputRules, OutputRules, Service, ServiceKind
from shared.wal.commands import HandlerKind

__all__ = ["MANIFEST_TYPE", "catalog_of", "directory", "discovered", "example"]

MANIFEST_TYPE = "application/vnd.restate.endpointmanifest.v4+json"
_HOUR_MS = 3_600_000
_JSON = InputRules(content_type="application/json")
_NONE = InputRules(content_type=None)


def catalog_of(*services: Service, version: int = 1, partitions: int = 4) -> Catalog:
    """A catalog of these services."""
    table = PartitionTable(version, even_partitions(partitions))
    return Catalog(version, {service.name: service for service in services}, {}, table)


def discovered(body: bytes) -> Catalog:
    """What the discovery answer of an endpoint makes of an empty catalog."""
    manifest = read_manifest(decode_answer(content_type=MANIFEST_TYPE, body=body))
    services = [msgspec.structs.replace(service, deployment_id="dp_1one", revision=1) for service in manifest.services]
    return catalog_of(*services)


def example() -> Catalog:
    """One service of each kind: `Greeter`, `Counter`, `Signup`; `Hidden` is private."""

    def service(name: str, kind: ServiceKind, *handlers: Handler, **options: Any) -> Service:
        return Service(name, kind, {handler.name: handler for handler in handlers}, "dp_1one", 1, **options)

    greeter = service(
        "Greeter",
        ServiceKind.SERVICE,
        Handler("greet", HandlerKind.SERVICE, input=_JSON),
        Handler("none", HandlerKind.SERVICE, input=_NONE),
        Handler("any", HandlerKind.SERVICE, output=OutputRules("text/plain", set_content_type_if_empty=True)),
        Handler("secret", HandlerKind.SERVICE, public=False),
        Handler("mute", HandlerKind.SERVICE, output=OutputRules(None)),
        Handler("unkept", HandlerKind.SERVICE, idempotency_retention_ms=0),
        Handler("short", HandlerKind.SERVICE, idempotency_retention_ms=_HOUR_MS, journal_retention_ms=2 * _HOUR_MS),
    )
    counter = service(
        "Counter",
        ServiceKind.VIRTUAL_OBJECT,
        Handler("add", HandlerKind.OBJECT_EXCLUSIVE, input=_JSON),
        Handler("peek", HandlerKind.OBJECT_SHARED, input=_NONE),
    )
    signup = service(
        "Signup",
        ServiceKind.WORKFLOW,
        Handler("run", HandlerKind.WORKFLOW_RUN, input=_JSON, workflow_completion_retention_ms=_HOUR_MS),
        Handler("status", HandlerKind.WORKFLOW_SHARED, input=_NONE, journal_retention_ms=2 * _HOUR_MS),
        Handler("unkept", HandlerKind.WORKFLOW_SHARED, input=_NONE, journal_retention_ms=0),
    )
    hidden = service("Hidden", ServiceKind.SERVICE, Handler("greet", HandlerKind.SERVICE), public=False)
    return catalog_of(greeter, counter, signup, hidden)


def directory() -> Directory:
    """Of `example`."""
    return build_directory(example())
