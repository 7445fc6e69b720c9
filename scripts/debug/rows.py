"""A row of a partition's store <-> its table, key and value in words. Pure: no I/O.

What cannot be decoded is shown with its bytes and the reason, never left out.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from shared.protocol.message_types import command_name, is_command
from shared.storage import keys, values
from shared.wal.plain import Json, fields, id_text, plain, text_of
from sqld.tables.entry_json import entry_lite_json

__all__ = ["TABLES", "DecodedRow", "decode_row", "table_of"]

_ID_END = 25
_UNSCOPED = {scoped: kind for kind, scoped in keys.SCOPED.items()}
_Decode = Callable[[bytes], Json]


class DecodedRow(msgspec.Struct):
    """One row. `error`: why `key` or `value` is only `0x…`; None: both are decoded."""

    table: str
    key: dict[str, Json]
    value: Json
    error: str | None = None

    @property
    def name(self) -> str:
        """`journal inv_1… index=3`."""
        return " ".join([self.table, *(f"{name}={_short(value)}" for name, value in self.key.items())])


def _short(value: Json) -> str:
    bare = isinstance(value, str) and value and not set(value) & set(" \"'=")
    return str(value) if bare else msgspec.json.encode(value).decode()


def _expect(key: bytes, *lengths: int) -> None:
    if len(key) not in lengths:
        raise ValueError(f"it has {len(key)} bytes")


def _invocation(key: bytes) -> dict[str, Json]:
    _expect(key, _ID_END)
    return {"invocation": id_text(key[1:])}


def _entry(name: str) -> Callable[[bytes], dict[str, Json]]:
    def decode(key: bytes) -> dict[str, Json]:
        _expect(key, _ID_END + 4)
        return {"invocation": id_text(key[1:_ID_END]), name: int.from_bytes(key[_ID_END:], "big")}

    return decode


def _notification(key: bytes) -> dict[str, Json]:
    kind, rest = key[_ID_END : _ID_END + 1], key[_ID_END + 1 :]
    if kind == b"n":
        which: dict[str, Json] = {"signal": rest.decode()}
    else:
        which = {"signal" if kind == b"s" else "completion": int.from_bytes(rest, "big")}
    return {"invocation": id_text(key[1:_ID_END])} | which


def _object(rest_of: Callable[[bytes], dict[str, Json]]) -> Callable[[bytes], dict[str, Json]]:
    def decode(key: bytes) -> dict[str, Json]:
        place, scope, service, object_key, rest = keys.decode_object(key)
        # To cut bytes never fails: what was cut too short does not give the same key again.
        if keys.object_prefix(_UNSCOPED.get(key[:1], key[:1]), place, service, object_key, scope) + rest != key:
            raise ValueError("it is cut")
        scoped = {} if scope is None else {"scope": scope}
        return {**scoped, "service": service, "key": object_key, **rest_of(rest)}

    return decode


def _counter(key: bytes) -> dict[str, Json]:
    return {"counter": keys.decode_counter(key)[1]}


def _ring(key: bytes) -> dict[str, Json]:
    path, _, rest = key[9:].partition(b"\x00")
    return {"counter": path.decode(), "position": int.from_bytes(rest, "big")}


def _queue(key: bytes) -> dict[str, Json]:
    path, _, rest = key[9:].partition(b"\x00")
    return {"counter": path.decode(), "queue": text_of(rest)}


def _waiter(key: bytes) -> dict[str, Json]:
    path, _, rest = key[9:].partition(b"\x00")
    return {"counter": path.decode(), "queue": text_of(rest[:-8]), "place": int.from_bytes(rest[-8:], "big")}


def _timer(key: bytes) -> dict[str, Json]:
    _expect(key, 37, 38)
    at_ms, invocation_id, completion_id = keys.decode_timer(key)
    what: dict[str, Json] = {"retry": True} if keys.is_retry_timer(key) else {"completion": completion_id}
    return {"at_ms": at_ms, "invocation": id_text(invocation_id)} | what


def _patched(key: bytes) -> dict[str, Json]:
    _expect(key, 17)
    return {"at_ms": int.from_bytes(key[1:9], "big"), "uid": f"0x{key[1:].hex()}"}


def _struct(decode: Callable[[bytes], msgspec.Struct]) -> _Decode:
    return lambda value: fields(decode(value))


def _journal_value(value: bytes) -> Json:
    row = values.decode_journal(value)
    shaped = fields(row)
    name = command_name(row.entry_type)
    shaped["entry_type"] = name if is_command(row.entry_type) else f"{name} notification"
    entry = entry_lite_json(row)
    if entry is not None:
        shaped["entry"] = msgspec.json.decode(entry)
    return shaped


def _notification_value(value: bytes) -> Json:
    return {
        "entry": int.from_bytes(value[:4], "big"),
        "failure": b"f" in value[4:],
        "repeated": b"r" in value[4:],
    }


def _number(value: bytes) -> Json:
    return int.from_bytes(value, "big")


def _promise_value(value: bytes) -> Json:
    shaped = fields(values.decode_promise(value))
    shaped["waiting"] = [[id_text(raw), completion] for raw, completion in values.decode_promise(value).waiting]
    return shaped


def _mutation_value(value: bytes) -> Json:
    row = values.decode_mutation(value)
    return {"version": row.version, "state": {text_of(name): text_of(content) for name, content in row.state}}


def _large(key: bytes) -> dict[str, Json]:
    _expect(key, 17)
    return {"at": f"0x{key[1:9].hex()}", "number": int.from_bytes(key[9:], "big")}


def _timer_value(value: bytes) -> Json:
    return {"born_lsn": int.from_bytes(value, "big")} if value else {"starts": True}


class _Table(msgspec.Struct, frozen=True):
    name: str
    key: Callable[[bytes], dict[str, Json]]
    value: _Decode


def _no_rest(rest: bytes) -> dict[str, Json]:
    return {}


def _named(rest: bytes) -> dict[str, Json]:
    return {"name": text_of(rest)}


def _inbox_value(value: bytes) -> Json:
    waiting = values.decode_inbox(value)
    return "a change of state" if waiting is None else id_text(waiting)


def _placed(rest: bytes) -> dict[str, Json]:
    return {"place": int.from_bytes(rest, "big")}


#: By the kind byte of the key.
_TABLES: dict[bytes, _Table] = {
    keys.INVOCATION: _Table("invocation", _invocation, _struct(values.decode_invocation)),
    keys.JOURNAL: _Table("journal", _entry("index"), _journal_value),
    keys.NOTIFICATION: _Table("notification", _notification, _notification_value),
    keys.EVENT: _Table("event", _entry("number"), _struct(values.decode_event)),
    keys.DROPPED: _Table("dropped", _invocation, _struct(values.decode_dropped)),
    keys.RUNNING: _Table("running", _invocation, text_of),
    keys.STATE: _Table("state", _object(_named), text_of),
    keys.LOCK: _Table("lock", _object(_no_rest), _struct(values.decode_lock)),
    keys.INBOX: _Table("inbox", _object(_placed), _inbox_value),
    keys.PROMISE: _Table("promise", _object(_named), _promise_value),
    keys.MUTATION: _Table("mutation", _object(_placed), _mutation_value),
    keys.SCOPED_STATE: _Table("state", _object(_named), text_of),
    keys.SCOPED_LOCK: _Table("lock", _object(_no_rest), _struct(values.decode_lock)),
    keys.SCOPED_INBOX: _Table("inbox", _object(_placed), _inbox_value),
    keys.SCOPED_PROMISE: _Table("promise", _object(_named), _promise_value),
    keys.SCOPED_MUTATION: _Table("mutation", _object(_placed), _mutation_value),
    keys.LARGE: _Table("large", _large, text_of),
    keys.LARGE_USES: _Table("large_uses", _large, _number),
    keys.LARGE_STATE: _Table("large_state", _object(_named), _struct(values.decode_large_state)),
    keys.SCOPED_LARGE_STATE: _Table("large_state", _object(_named), _struct(values.decode_large_state)),
    keys.COUNTER: _Table("counter", _counter, _struct(values.decode_counter)),
    keys.RING: _Table("ring", _ring, text_of),
    keys.QUEUE: _Table("queue", _queue, _struct(values.decode_queue)),
    keys.WAITER: _Table("waiter", _waiter, id_text),
    keys.TIMER: _Table("timer", _timer, _timer_value),
    keys.OUTBOX: _Table("outbox", lambda key: {"seq": keys.decode_outbox(key)}, _struct(values.decode_outbox_row)),
    keys.DEDUP: _Table("dedup", lambda key: {"sender": int.from_bytes(key[1:], "big")}, _number),
    keys.PATCHED: _Table("patched", _patched, text_of),
    keys.META: _Table("partition", _no_rest, _struct(values.decode_meta)),
    keys.RULES: _Table("rules", _no_rest, lambda value: plain(values.decode_rules(value))),
}

#: Names of the tables, in the order of their rows.
TABLES: tuple[str, ...] = tuple(dict.fromkeys(_TABLES[kind].name for kind in sorted(_TABLES)))


def table_of(key: bytes) -> str:
    """The table that a key belongs to; `unknown` for a kind that this build does not know."""
    table = _TABLES.get(key[:1])
    return "unknown" if table is None else table.name


def decode_row(key: bytes, value: bytes | None) -> DecodedRow:
    """Never fails. `value` None: the row is not there."""
    table = _TABLES.get(key[:1])
    if table is None:
        return DecodedRow("unknown", {"key": f"0x{key.hex()}"}, _hex(value), f"no table has the kind 0x{key[:1].hex()}")
    errors = []
    try:
        shown = table.key(key)
    except (ValueError, IndexError) as error:
        shown = {"key": f"0x{key.hex()}"}
        errors.append(f"unreadable key: {error}")
    try:
        decoded = None if value is None else table.value(value)
    except (msgspec.MsgspecError, ValueError) as error:
        decoded = _hex(value)
        errors.append(f"unreadable value: {error}")
    return DecodedRow(table.name, shown, decoded, "; ".join(errors) or None)


def _hex(value: bytes | None) -> str | None:
    return None if value is None else f"0x{value.hex()}"
