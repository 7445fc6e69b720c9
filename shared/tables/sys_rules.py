"""`sys_rules`: the rule book of flow control. Pure: no I/O."""

from __future__ import annotations

from shared.tables.columns import Column, ColumnType, Table

__all__ = ["TABLE"]

TABLE = Table(
    name="sys_rules",
    doc="One row a rule, active or not.",
    columns=(
        Column("pattern", ColumnType.TEXT, "which counters it bounds: `scope`, `scope/l1` or `scope/l1/l2`, or `*`"),
        Column("concurrency", ColumnType.U32, "how many invocations may run at once; null: unlimited"),
        Column("description", ColumnType.TEXT, "what its author says of it"),
        Column("disabled", ColumnType.BOOL, "it is kept, and bounds nothing"),
        Column("version", ColumnType.U32, "grows with each change of its limit or of `disabled`"),
        Column("last_modified", ColumnType.TIMESTAMP, "time of that change"),
    ),
)
