"""Column types of shared/tables as Arrow's."""

from __future__ import annotations

import pyarrow as pa

from shared.tables.columns import Column, ColumnType

__all__ = ["ARROW_TYPES", "schema_of"]

ARROW_TYPES: dict[ColumnType, pa.DataType] = {
    ColumnType.U64: pa.uint64(),
    ColumnType.U32: pa.uint32(),
    ColumnType.BOOL: pa.bool_(),
    ColumnType.TEXT: pa.large_string(),
    ColumnType.BYTES: pa.large_binary(),
    ColumnType.TIMESTAMP: pa.timestamp("ms", "+00:00"),
    ColumnType.DURATION: pa.duration("ms"),
    ColumnType.U32_LIST: pa.list_(pa.uint32()),
    ColumnType.TEXT_LIST: pa.list_(pa.large_string()),
}


def schema_of(columns: tuple[Column, ...]) -> pa.Schema:
    """The Arrow schema of a table."""
    return pa.schema([pa.field(column.name, ARROW_TYPES[column.type]) for column in columns])
