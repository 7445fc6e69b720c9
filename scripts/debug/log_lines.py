"""The records of a log as lines to print. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from metad.registry.codec import decode_proposal
from scripts.debug.ports import LogEntry, LogReader
from shared.errors import EverlogError
from shared.wal.batch import Batch, decode_batch
from shared.wal.plain import fields
from sqld.tables.command_words import command_words

__all__ = ["MetaLine", "Record", "RecordLine", "lines_of", "meta_lines", "records"]


class Record(msgspec.Struct):
    """One batch of a log, or why it cannot be read. Both None: an entry of Raft's own."""

    lsn: int
    term: int
    batch: Batch | None
    size: int
    problem: str | None = None


class RecordLine(msgspec.Struct):
    """One record of a partition's log, or an entry of Raft's own. `epoch` None: it is none of ours, or unreadable."""

    group: str
    lsn: int
    term: int
    at_ms: int
    epoch: int | None
    seq: int
    words: list[str]
    commands: list[dict[str, Any]]
    problem: str | None = None

    def as_json(self) -> dict[str, Any]:
        shaped: dict[str, Any] = {"group": self.group, "lsn": self.lsn, "term": self.term}
        if self.problem is not None:
            return {**shaped, "problem": self.problem}
        if self.epoch is None:
            return {**shaped, "raft": True}
        return {**shaped, "at_ms": self.at_ms, "epoch": self.epoch, "seq": self.seq, "commands": self.commands}


class MetaLine(msgspec.Struct):
    """One record of group `meta`."""

    group: str
    lsn: int
    term: int
    at_ms: int
    words: list[str]
    command: dict[str, Any]
    problem: str | None = None

    def as_json(self) -> dict[str, Any]:
        shaped: dict[str, Any] = {"group": self.group, "lsn": self.lsn, "term": self.term}
        return {**shaped, "problem": self.problem} if self.problem is not None else {**shaped, "command": self.command}


def records(log: LogReader, start: int, end: int) -> Iterator[Record]:
    """The entries of a partition's log, decoded as far as they can be."""
    return (_record(entry) for entry in log.entries(start, end))


def _record(entry: LogEntry) -> Record:
    if entry.problem is not None or entry.payload is None:
        return Record(entry.lsn, entry.term, None, entry.size, entry.problem)
    try:
        return Record(entry.lsn, entry.term, decode_batch(entry.payload), entry.size)
    except EverlogError as error:
        return Record(entry.lsn, entry.term, None, entry.size, f"{error}: 0x{entry.payload.hex()}")


def lines_of(group: str, log: LogReader, start: int, end: int) -> Iterator[RecordLine]:
    """A partition's log."""
    for record in records(log, start, end):
        batch = record.batch
        if batch is None:
            words = [] if record.problem is not None else ["(Raft's own)"]
            yield RecordLine(group, record.lsn, record.term, 0, None, 0, words, [], record.problem)
            continue
        words = [command_words(command) for command in batch.commands] or ["(no commands)"]
        commands = [fields(command) for command in batch.commands]
        yield RecordLine(group, record.lsn, record.term, batch.at_ms, batch.epoch, batch.seq, words, commands)


def meta_lines(group: str, log: LogReader, start: int, end: int) -> Iterator[MetaLine]:
    """The control plane's log."""
    for entry in log.entries(start, end):
        line = MetaLine(group, entry.lsn, entry.term, 0, ["(Raft's own)"], {}, entry.problem)
        if entry.payload is not None:
            try:
                command = decode_proposal(entry.payload).command
            except EverlogError as error:
                line.problem = f"{error}: 0x{entry.payload.hex()}"
            else:
                line.command = fields(command)
                line.at_ms = getattr(command, "at_ms", 0)
                line.words = [_meta_words(line.command)]
        yield line


def _meta_words(command: dict[str, Any]) -> str:
    told = {name: value for name, value in command.items() if isinstance(value, str | int | bool) and name != "type"}
    return " ".join([str(command["type"]), *(f"{name}={value}" for name, value in told.items())])
