"""The rule book changed. Pure: no I/O."""

from __future__ import annotations

from partitiond.machine.chains import limits_changed
from partitiond.machine.context import Context
from partitiond.machine.rules import store_rules
from shared.wal.commands import SetRules

__all__ = ["on_set_rules"]


def on_set_rules(ctx: Context, command: SetRules) -> None:
    """Higher limits start who waits; lower ones take no permit back, but give none until enough have ended."""
    if command.version <= ctx.txn.meta.rules_version:
        return
    store_rules(ctx.txn, command.version, command.rules)
    limits_changed(ctx)
