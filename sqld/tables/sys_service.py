"""Registered services. Pure: no I/O."""

from __future__ import annotations

from shared.catalog.services import ServiceKind
from sqld.tables.source import CatalogTable, Columns

__all__ = ["SOURCE"]

_TYPE = {
    ServiceKind.SERVICE: "service",
    ServiceKind.VIRTUAL_OBJECT: "virtual_object",
    ServiceKind.WORKFLOW: "workflow",
}

_COLUMNS: Columns = {
    "name": lambda service: service.name,
    "revision": lambda service: service.revision,
    "public": lambda service: service.public,
    "ty": lambda service: _TYPE[service.kind],
    "deployment_id": lambda service: service.deployment_id,
}

SOURCE = CatalogTable(rows=lambda catalog: list(catalog.services.values()), columns=_COLUMNS)
