"""What a log holds, counted. Pure: no I/O."""

from __future__ import annotations

from typing import Any

import msgspec

from metad.registry.codec import decode_proposal
from scripts.debug.log_lines import records
from scripts.debug.ports import LogReader
from shared.api.log import META_GROUP
from shared.errors import EverlogError
from shared.wal.commands import AnnounceLeader, Deliver, InvokerEffects

__all__ = ["Epoch", "LogStat", "stat_of"]


class Epoch(msgspec.Struct):
    """The time of one leader, from its announcement on."""

    lsn: int
    node: str
    at_ms: int
    batches: int = 0


class LogStat(msgspec.Struct):
    """`commands`: by kind, and `InvokerEffects/Entry` and the like for what is within. Times are the proposers'."""

    group: str
    first_lsn: int
    last_lsn: int
    trim_lsn: int
    batches: int = 0
    own_entries: int = 0
    bytes: int = 0
    first_at_ms: int = 0
    last_at_ms: int = 0
    commands: dict[str, int] = {}
    epochs: list[Epoch] = []
    problems: list[str] = []

    @property
    def rate(self) -> float | None:
        """Records a second; None when there are too few to say."""
        ms = self.last_at_ms - self.first_at_ms
        return self.batches * 1000 / ms if ms > 0 else None

    def as_json(self) -> dict[str, Any]:
        shaped: dict[str, Any] = msgspec.to_builtins(self)
        return {**shaped, "records_per_s": self.rate}

    def _count(self, kind: str) -> None:
        self.commands[kind] = self.commands.get(kind, 0) + 1


def stat_of(group: str, log: LogReader, start: int, end: int) -> LogStat:
    """Reads the range once."""
    stat = LogStat(group, log.first_lsn, log.last_lsn, log.trim_lsn)
    if group == META_GROUP:
        _meta(stat, log, start, end)
    else:
        _partition(stat, log, start, end)
    return stat


def _meta(stat: LogStat, log: LogReader, start: int, end: int) -> None:
    for entry in log.entries(start, end):
        stat.bytes += entry.size
        if entry.problem is not None:
            stat.problems.append(f"LSN {entry.lsn}: {entry.problem}")
        elif entry.payload is None:
            stat.own_entries += 1
        else:
            stat.batches += 1
            try:
                stat._count(type(decode_proposal(entry.payload).command).__name__)
            except EverlogError as error:
                stat.problems.append(f"LSN {entry.lsn}: {error}")


def _partition(stat: LogStat, log: LogReader, start: int, end: int) -> None:
    for record in records(log, start, end):
        stat.bytes += record.size
        batch = record.batch
        if record.problem is not None:
            stat.problems.append(f"LSN {record.lsn}: {record.problem}")
        elif batch is None:
            stat.own_entries += 1
        else:
            stat.batches += 1
            stat.first_at_ms = stat.first_at_ms or batch.at_ms
            stat.last_at_ms = max(stat.last_at_ms, batch.at_ms)
            for command in batch.commands:
                kind = type(command).__name__
                stat._count(kind)
                if isinstance(command, AnnounceLeader):
                    stat.epochs.append(Epoch(record.lsn, command.node, batch.at_ms))
                elif isinstance(command, InvokerEffects):
                    for effect in command.effects:
                        stat._count(f"{kind}/{type(effect).__name__}")
                elif isinstance(command, Deliver):
                    for _, message in command.messages:
                        stat._count(f"{kind}/{type(message).__name__}")
            if batch.epoch and stat.epochs and batch.epoch == stat.epochs[-1].lsn:
                stat.epochs[-1].batches += 1
