"""The rule book of flow control. Pure: no I/O."""

from __future__ import annotations

from sqld.tables.source import CatalogTable, Columns

__all__ = ["SOURCE"]

_COLUMNS: Columns = {
    "pattern": lambda rule: rule.pattern,
    "concurrency": lambda rule: rule.concurrency,
    "description": lambda rule: rule.description,
    "disabled": lambda rule: rule.disabled,
    "version": lambda rule: rule.version,
    "last_modified": lambda rule: rule.modified_at_ms,
}

SOURCE = CatalogTable(rows=lambda catalog: list(catalog.rules.values()), columns=_COLUMNS)
