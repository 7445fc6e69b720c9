"""Registered deployments. Pure: no I/O."""

from __future__ import annotations

from sqld.tables.source import CatalogTable, Columns

__all__ = ["SOURCE"]

_COLUMNS: Columns = {
    "id": lambda deployment: deployment.id,
    "ty": lambda deployment: "http",
    "endpoint": lambda deployment: deployment.uri,
    "created_at": lambda deployment: deployment.created_at_ms or None,
    "min_service_protocol_version": lambda deployment: deployment.min_protocol_version,
    "max_service_protocol_version": lambda deployment: deployment.max_protocol_version,
    "services": lambda deployment: list(deployment.services),
}

SOURCE = CatalogTable(rows=lambda catalog: list(catalog.deployments.values()), columns=_COLUMNS)
