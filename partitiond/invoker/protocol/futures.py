"""Future of service protocol v7 -> tree; Suspension and AwaitingOn, which carry one. Pure: no I/O.

The tree is read by hand: protobuf's reader gives up at a nesting of 100, a service may go to 1000.
Field numbers are those of `shared/protocol/service.proto`, message Future.
"""

from __future__ import annotations

import functools

from google.protobuf.message import DecodeError

from partitiond.invoker.protocol.preconditions import (
    BAD_MESSAGE,
    TOO_DEEP,
    TOO_LARGE,
    WAITING_MAX,
    PreconditionError,
)
from shared.protocol import service_pb2 as pb
from shared.wal.commands import Suspend, SuspendOn
from shared.wal.futures import Combinator, Future, FutureNode, Leaf, signal_leaf

__all__ = ["NESTING_MAX", "SIZE_MAX", "read_awaiting_on", "read_suspension"]

NESTING_MAX = 1000
#: Nodes and leaves together: the tree becomes part of the invocation's row.
SIZE_MAX = 200_000
_SMALL_BYTES = 32

_COMPLETIONS, _SIGNALS, _NAMES, _NESTED, _COMBINATOR = 1, 2, 3, 4, 5
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def read_suspension(raw: bytes, protocol_version: int) -> Suspend | SuspendOn:
    """The effect. Up to v6 flat lists, any one of which wakes; since v7 a tree."""
    message = pb.Suspension.FromString(raw)
    if protocol_version >= 7:
        future = _read_future(message.awaiting_on)
        if not any(node.leaves for node in future.nodes):
            raise PreconditionError(BAD_MESSAGE, "a Suspension that waits for nothing")
        return SuspendOn(future)
    suspend = Suspend(
        list(message.waiting_completions), list(message.waiting_signals), list(message.waiting_named_signals)
    )
    if not (suspend.completions or suspend.signals or suspend.names):
        raise PreconditionError(BAD_MESSAGE, "a Suspension that waits for nothing")
    waiting = len(suspend.completions) + len(suspend.signals) + len(suspend.names)
    if waiting > WAITING_MAX:
        raise PreconditionError(TOO_LARGE, f"a Suspension that waits for {waiting} things, the limit is {WAITING_MAX}")
    return suspend


def read_awaiting_on(raw: bytes) -> Future:
    """What the handler waits for while its attempt goes on. Not to be changed: others may have got the same."""
    return _read_small(raw) if len(raw) <= _SMALL_BYTES else _read_any(raw)


def _read_any(raw: bytes) -> Future:
    message = pb.AwaitingOn.FromString(raw)
    if not message.HasField("awaiting_on"):
        raise PreconditionError(BAD_MESSAGE, "an AwaitingOn without a future")
    return _read_future(message.awaiting_on)


#: Handlers wait for their first, second, third completion most of the time, and say so before each.
_read_small = functools.lru_cache(maxsize=1024)(_read_any)


def _read_future(raw: bytes) -> Future:
    nodes = [FutureNode(0, Combinator.UNKNOWN, [])]
    size = 1
    #: The nodes that are open, outermost first: their index, and where they end.
    path = [(0, len(raw))]
    at = 0
    while path:
        index, end = path[-1]
        if at == end:
            path.pop()
            continue
        tag, at = _varint(raw, at, end)
        field, wire_type = tag >> 3, tag & 7
        if not field:
            raise DecodeError("a field of number 0")
        value, start, at = _value(raw, at, end, wire_type)
        leaves: list[Leaf] = []
        if field == _NESTED and wire_type == _BYTES:
            if len(path) > NESTING_MAX:
                raise PreconditionError(TOO_DEEP, f"a future nested deeper than {NESTING_MAX}")
            path.append((len(nodes), at))
            nodes.append(FutureNode(index, Combinator.UNKNOWN, []))
            at = start
            size += 1
        elif field in (_COMPLETIONS, _SIGNALS):
            numbers = [value] if wire_type == _VARINT else _packed(raw, start, at) if wire_type == _BYTES else []
            leaves = [number & 0xFFFF_FFFF for number in numbers]
            if field == _SIGNALS:
                leaves = [signal_leaf(leaf) for leaf in leaves]
        elif field == _NAMES and wire_type == _BYTES:
            leaves = [_text(raw[start:at])]
        elif field == _COMBINATOR and wire_type == _VARINT:
            nodes[index].combinator = Combinator(value) if value in _COMBINATORS else Combinator.UNKNOWN
        nodes[index].leaves += leaves
        size += len(leaves)
        if size > SIZE_MAX:
            raise PreconditionError(TOO_LARGE, f"a future of more than {SIZE_MAX} parts")
    for node in nodes:
        if len(node.leaves) > 1:
            node.leaves = list(dict.fromkeys(node.leaves))
    return Future(nodes)


_COMBINATORS = frozenset(Combinator)


def _varint(raw: bytes, at: int, end: int) -> tuple[int, int]:
    """(number, where it ends)."""
    value = shift = 0
    while at < end and shift < 70:
        byte = raw[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
        shift += 7
    raise DecodeError("a number that does not end")


def _value(raw: bytes, at: int, end: int, wire_type: int) -> tuple[int, int, int]:
    """(number, start, end) of a field's value; the number is that of a varint, start and end are those of the rest."""
    value = 0
    start = at
    if wire_type == _VARINT:
        value, at = _varint(raw, at, end)
    elif wire_type == _BYTES:
        length, start = _varint(raw, at, end)
        at = start + length
    elif wire_type == _FIXED64:
        at += 8
    elif wire_type == _FIXED32:
        at += 4
    else:
        raise DecodeError(f"a field of wire type {wire_type}")
    if at > end:
        raise DecodeError("a field that does not end")
    return value, start, at


def _packed(raw: bytes, at: int, end: int) -> list[int]:
    numbers = []
    while at < end:
        number, at = _varint(raw, at, end)
        numbers.append(number)
    return numbers


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise DecodeError(str(error)) from error
