"""`sys_user_limits`: the live counters of flow control. Pure: no I/O."""

from __future__ import annotations

from shared.tables.columns import Column, ColumnType, Table

__all__ = ["TABLE"]

TABLE = Table(
    name="sys_user_limits",
    doc="One row a scope, or level of limit keys below one, of which an invocation runs.",
    columns=(
        Column("partition_key", ColumnType.U64, "place of the scope in the key space"),
        Column("scope", ColumnType.TEXT, "the scope"),
        Column("l1", ColumnType.TEXT, "first level of the limit key; null: the scope itself"),
        Column("l2", ColumnType.TEXT, "second level of the limit key"),
        Column("level", ColumnType.TEXT, "Scope, Level1 or Level2"),
        Column("usage", ColumnType.U32, "invocations that run, or are between two attempts"),
        Column("concurrency_limit", ColumnType.U32, "how many may; null: unlimited"),
        Column("rule_pattern", ColumnType.TEXT, "the rule that says so"),
        Column("available", ColumnType.U32, "limit less usage, not below 0; null: unlimited"),
        Column("num_waiters", ColumnType.U64, "invocations that wait, here and at all levels below"),
    ),
)
