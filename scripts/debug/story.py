"""All that ever happened to one invocation, told by replaying its partition. Owns nothing; reads a source.

A command concerns an invocation if it names it, if it changes a row of it, or if it asks for an action on it: so a
timer that fires, or the end of who held its object, is part of its story.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from partitiond.machine.actions import Action, SendOutbox, StartInvocation
from scripts.debug.actions import action_words
from scripts.debug.log_lines import records
from scripts.debug.ports import LogReader, Rows
from scripts.debug.replaying import Replay, Step, key_range, start_replay
from scripts.debug.rows import decode_row
from scripts.debug.source import Source
from shared.api.log import partition_group
from shared.errors import ConfigError, EverlogError
from shared.ids import partition_key_of
from shared.storage import keys, values
from shared.wal.commands import InvokerEffects, TruncateOutbox
from shared.wal.plain import fields, id_text
from sqld.tables.command_words import command_words, entry_words

__all__ = ["Chapter", "Story", "partition_with", "tell_story"]

_encode = msgspec.msgpack.Encoder().encode


class Chapter(msgspec.Struct):
    """One command that concerns the invocation."""

    lsn: int
    at_ms: int
    words: str
    #: Statuses, None: there is no such invocation. The same: it stayed as it was.
    before: str | None = None
    after: str | None = None
    #: Journal entries that came of it, unless the command tells them itself.
    entries: list[str] = []
    actions: list[str] = []
    #: It changed nothing: its leader had been replaced.
    fenced: bool = False
    #: The record cannot be read: whether it concerns this invocation is not known.
    problem: str | None = None


class Story(msgspec.Struct):
    """`replayed` False: the log alone was read, so that statuses and actions are not known."""

    invocation: str
    partition: int
    begins_with: str
    replayed: bool
    chapters: list[Chapter] = []
    #: What the checkpoint that it begins with knew of it.
    at_first: dict[str, Any] | None = None
    #: Why the store cannot be read; then what follows is not known.
    store_error: str | None = None
    #: As of now, and the LSN of that.
    now_lsn: int = 0
    now: dict[str, Any] | None = None
    dropped: dict[str, Any] | None = None
    journal: list[str] = []
    events: list[dict[str, Any]] = []
    #: Messages that its commands left in the outbox, and that no receiver has stored yet.
    on_the_way: list[str] = []


def partition_with(source: Source, invocation_id: bytes) -> int:
    """The partition whose keys it is of. Raises ConfigError when there is none."""
    place = partition_key_of(invocation_id)
    for partition_id in source.partitions():
        keys_of = key_range(source, partition_id)
        if keys_of is not None and keys_of[0] <= place <= keys_of[1]:
            return partition_id
    raise ConfigError(f"{source.path} has no partition with the place {place:#x} of {id_text(invocation_id)}")


def tell_story(
    source: Source, partition_id: int, invocation_id: bytes, scratch: Path, on_lsn: Callable[[int], None]
) -> Story:
    """`scratch`: a folder that does not exist yet. `on_lsn` is told how far it is."""
    log = source.log(partition_group(partition_id))
    story = Story(id_text(invocation_id), partition_id, "", replayed=True)
    if log is None or not log.last_lsn:
        story.begins_with, story.replayed = "no log", False
    else:
        log.catch_up()
        try:
            replay = start_replay(source, partition_id, scratch)
        except ConfigError:
            story.begins_with, story.replayed = f"LSN {log.first_lsn}", False
            story.chapters = list(_read(log, invocation_id, on_lsn))
        else:
            _replay(story, replay, invocation_id, on_lsn)
    try:
        store = source.store(partition_id)
        if store is not None:
            _tell_now(story, store, invocation_id)
            store.close()
    except EverlogError as error:
        story.store_error = str(error)
    return story


def _read(log: LogReader, invocation_id: bytes, on_lsn: Callable[[int], None]) -> Iterator[Chapter]:
    """Without a store to replay from: who names it."""
    for record in records(log, log.first_lsn, log.last_lsn):
        on_lsn(record.lsn)
        if record.problem is not None:
            yield Chapter(record.lsn, 0, "", problem=record.problem)
        for command in record.batch.commands if record.batch is not None else ():
            if invocation_id in _encode(command):
                assert record.batch is not None
                yield Chapter(record.lsn, record.batch.at_ms, command_words(command))


def _replay(story: Story, replay: Replay, invocation_id: bytes, on_lsn: Callable[[int], None]) -> None:
    story.begins_with = replay.begins_with
    key = keys.invocation_key(invocation_id)
    stored = replay.store.get(key)
    if stored is not None:
        story.at_first = fields(values.decode_invocation(stored))
    sent: set[int] = set()
    try:
        for step in replay.steps(replay.log.last_lsn):
            on_lsn(step.lsn)
            chapter = _chapter(step, replay, invocation_id, sent)
            if chapter is not None:
                story.chapters.append(chapter)
    finally:
        replay.store.close()


def _chapter(step: Step, replay: Replay, invocation_id: bytes, sent: set[int]) -> Chapter | None:
    own = isinstance(step.command, InvokerEffects) and step.command.id == invocation_id
    actions = [action for action in step.actions if own or invocation_id in _told_of(action)]
    sent |= {action.seq for action in actions if isinstance(action, SendOutbox)}
    stored = isinstance(step.command, TruncateOutbox) and not sent.isdisjoint(step.command.seqs)
    if not (
        actions
        or stored
        or invocation_id in _encode(step.command)
        or any(_is_row_of(invocation_id, key, value) for key, value in step.writes.items())
    ):
        return None
    key = keys.invocation_key(invocation_id)
    before = replay.store.get(key)
    after = step.writes.get(key, before)
    return Chapter(
        step.lsn,
        step.batch.at_ms,
        command_words(step.command),
        _status(before),
        _status(after),
        [] if own else list(_entries(step, invocation_id)),
        [action_words(action) for action in actions],
        step.fenced,
    )


def _told_of(action: Action) -> bytes:
    """The bytes of an action; of a row that goes along only its id."""
    return action.id if isinstance(action, StartInvocation) else _encode(action)


def _is_row_of(invocation_id: bytes, key: bytes, value: bytes | None) -> bool:
    """Its own rows carry its id in the key; places in queues as their value."""
    return invocation_id in key or value == invocation_id


def _status(stored: bytes | None) -> str | None:
    if stored is None:
        return None
    row = values.decode_invocation(stored)
    name = row.status.name.lower()
    return f"{name} (generation {row.generation})" if name == "invoked" else name


def _entries(step: Step, invocation_id: bytes) -> Iterator[str]:
    prefix = keys.journal_prefix(invocation_id)
    for key in sorted(step.writes):
        value = step.writes[key]
        if key.startswith(prefix) and value is not None:
            yield f"journal {int.from_bytes(key[len(prefix) :], 'big')}: {entry_words(values.decode_journal(value))}"


def _tell_now(story: Story, store: Rows, invocation_id: bytes) -> None:
    meta = store.meta()
    story.now_lsn = 0 if meta is None else meta.applied_lsn
    key, dropped = keys.invocation_key(invocation_id), keys.dropped_key(invocation_id)
    stored = store.get(key)
    story.now = None if stored is None else decode_row(key, stored).value
    stored = store.get(dropped)
    story.dropped = None if stored is None else decode_row(dropped, stored).value
    prefix = keys.journal_prefix(invocation_id)
    for key, value in store.scan(prefix, keys.prefix_end(prefix)):
        index = int.from_bytes(key[len(prefix) :], "big")
        row = decode_row(key, value)
        words = f"{row.error}: {row.value}" if row.error is not None else entry_words(values.decode_journal(value))
        story.journal.append(f"{index}: {words}")
    prefix = keys.EVENT + invocation_id
    story.events = [decode_row(key, value).value for key, value in store.scan(prefix, keys.prefix_end(prefix))]
    for key, value in store.scan(keys.OUTBOX, keys.DEDUP):
        if invocation_id in value:
            row = decode_row(key, value)
            story.on_the_way.append(f"{row.name}: {msgspec.json.encode(row.value).decode()}")
