"""A bare machine over a store in memory, and builders of commands."""

from __future__ import annotations

from itertools import count

from partitiond.invoker.protocol.packed_state import read_set_state
from partitiond.machine import invariants
from partitiond.machine.actions import Action
from partitiond.machine.apply import apply, initial_meta
from partitiond.machine.txn import Txn
from partitiond.store.memory import MemoryStore
from shared.ids import encode_invocation_id, key_partition_key, target_partition_key
from shared.protocol import service_pb2 as pb
from shared.protocol.input import encode_input
from shared.protocol.message_types import MessageType
from shared.storage import keys, values
from shared.storage.large import state_value, whole_raw
from shared.storage.values import EventRow, InvocationRow, JournalRow
from shared.wal.batch import Batch, decode_batch, encode_batch
from shared.wal.commands import (
    AnnounceLeader,
    CallEntry,
    Caller,
    Command,
    Effect,
    Entry,
    HandlerKind,
    Invoke,
    InvokerEffects,
    PatchState,
    SetPackedState,
    Target,
)

HOUR_MS = 3_600_000
START_MS = 1_700_000_000_000
ALL_KEYS = (0, (1 << 64) - 1)

GREETER = Target("Greeter", "greet", None, HandlerKind.SERVICE)
COUNTER = Target("Counter", "add", "c1", HandlerKind.OBJECT_EXCLUSIVE)
COUNTER_GET = Target("Counter", "get", "c1", HandlerKind.OBJECT_SHARED)
SIGN_UP = Target("SignUp", "run", "w1", HandlerKind.WORKFLOW_RUN)
SIGN_UP_CLICK = Target("SignUp", "click", "w1", HandlerKind.WORKFLOW_SHARED)

_numbers = count(1)


def new_id(target: Target = GREETER, *, place: int | None = None) -> bytes:
    """A fresh invocation id at the target's place in the key space."""
    number = next(_numbers)
    if place is None:
        place = number if target.key is None else key_partition_key(target.key)
        if target.scope is not None:
            place = key_partition_key(target.scope)
    return place.to_bytes(8, "big") + number.to_bytes(16, "big")


class Machine:
    """Applies commands as the processor does: through bytes, one batch an `apply`, invariants checked after each."""

    def __init__(self, *, partition_id: int = 0, key_range: tuple[int, int] = ALL_KEYS) -> None:
        self.store = MemoryStore()
        self.meta = initial_meta(partition_id, *key_range)
        self.log: list[tuple[int, bytes]] = []
        self.now_ms = START_MS
        self._seq = 0
        self.announce()

    def announce(self, uid: bytes = b"leader-1") -> None:
        """A leader takes over: batches carry its epoch from here on."""
        self.apply_batch(Batch(0, 0, self.now_ms, [AnnounceLeader(uid, "node-1", *ALL_KEYS)]))
        self._seq = 0

    def apply(self, *commands: Command) -> list[Action]:
        """One batch of the present leader; returns the exact actions."""
        self._seq += 1
        actions, applied = self.apply_batch(Batch(self.meta.epoch, self._seq, self.now_ms, list(commands)))
        assert applied
        return actions

    def apply_batch(self, batch: Batch) -> tuple[list[Action], bool]:
        """Any batch; True when it counted."""
        lsn = self.meta.applied_lsn + 1
        payload = encode_batch(batch)
        self.log.append((lsn, payload))
        actions: list[Action] = []
        txn = Txn(self.store, self.meta)
        applied = apply(txn, lsn, decode_batch(payload), actions)
        self.store.commit(txn.finish())
        broken = invariants.check(self.store)
        assert not broken, "\n".join(broken)
        return actions, applied

    def report(self, invocation_id: bytes, *effects: Effect) -> list[Action]:
        """The running attempt reports effects."""
        return self.apply(InvokerEffects(invocation_id, self.row(invocation_id).generation, list(effects)))

    def row(self, invocation_id: bytes) -> InvocationRow:
        stored = self.store.get(keys.invocation_key(invocation_id))
        assert stored is not None, "no such invocation"
        return values.decode_invocation(stored)

    def exists(self, invocation_id: bytes) -> bool:
        return self.store.get(keys.invocation_key(invocation_id)) is not None

    def journal(self, invocation_id: bytes) -> list[JournalRow]:
        """With the contents that are stored as large values."""
        prefix = keys.journal_prefix(invocation_id)
        rows = [values.decode_journal(value) for _, value in self.store.scan(prefix, prefix + b"\xff" * 5)]
        for row in rows:
            row.raw = whole_raw(self.store.get, invocation_id, row.raw, row.large)
        return rows

    def state(self, target: Target) -> dict[bytes, bytes]:
        """By name."""
        assert target.key is not None
        place = target_partition_key(target.scope, target.key)
        prefix = keys.object_prefix(keys.STATE, place, target.service, target.key, target.scope)
        stored = self.store.scan(prefix, keys.prefix_end(prefix))
        return {key[len(prefix) :]: state_value(self.store.get, key, value) for key, value in stored}

    def events(self, invocation_id: bytes) -> list[EventRow]:
        prefix = keys.EVENT + invocation_id
        return [values.decode_event(value) for _, value in self.store.scan(prefix, keys.prefix_end(prefix))]

    def journal_types(self, invocation_id: bytes) -> list[MessageType]:
        return [MessageType(entry.entry_type) for entry in self.journal(invocation_id)]

    def last_notification_of(self, invocation_id: bytes, entry_type: MessageType) -> pb.Notification:
        raws = [entry.raw for entry in self.journal(invocation_id) if entry.entry_type == entry_type]
        return pb.Notification.FromString(raws[-1])

    def last_notification(self, invocation_id: bytes) -> pb.Notification:
        return pb.Notification.FromString(self.journal(invocation_id)[-1].raw)


def replay(
    log: list[tuple[int, bytes]], *, partition_id: int = 0, key_range: tuple[int, int] = ALL_KEYS
) -> MemoryStore:
    """The store that this log gives."""
    store, meta = MemoryStore(), initial_meta(partition_id, *key_range)
    for lsn, payload in log:
        txn = Txn(store, meta)
        apply(txn, lsn, decode_batch(payload), [])
        store.commit(txn.finish())
    return store


def invoke(
    invocation_id: bytes,
    target: Target = GREETER,
    *,
    payload: bytes = b'"hi"',
    retention_ms: int = HOUR_MS,
    start_at_ms: int = 0,
    caller: Caller | None = None,
    uid: bytes = b"",
    limit_key: str | None = None,
) -> Invoke:
    return Invoke(
        invocation_id,
        target,
        encode_input([("content-type", "application/json")], payload),
        completion_retention_ms=retention_ms,
        journal_retention_ms=retention_ms,
        start_at_ms=start_at_ms,
        caller=caller,
        request_uid=uid,
        limit_key=limit_key,
    )


def patch(
    target: Target, state: dict[bytes, bytes], *, version: str | None = None, uid: bytes | None = None
) -> PatchState:
    """All state of the object or workflow is to be this."""
    assert target.key is not None
    if uid is None:
        uid = START_MS.to_bytes(8, "big") + next(_numbers).to_bytes(8, "big")
    return PatchState(uid, target.service, target.key, target.scope, version, sorted(state.items()))


def reported(row: InvocationRow | None, invocation_id: bytes, *effects: Effect) -> InvokerEffects:
    """What the running attempt of this row reports."""
    assert row is not None
    return InvokerEffects(invocation_id, row.generation, list(effects))


def output(value: bytes = b'"done"') -> Entry:
    return Entry(MessageType.OUTPUT, pb.OutputCommand(value=pb.Value(content=value)).SerializeToString())


def sleep(until_ms: int, completion_id: int) -> Entry:
    return Entry(
        MessageType.SLEEP,
        pb.SleepCommand(wake_up_time=until_ms, result_completion_id=completion_id).SerializeToString(),
    )


def call(caller_id: bytes, caller_target: Target, callee: Invoke, *, id_completion: int, completion: int) -> CallEntry:
    callee.caller = Caller(caller_id, completion, caller_target)
    raw = pb.CallCommand(
        service_name=callee.target.service,
        handler_name=callee.target.handler,
        parameter=b"p",
        key=callee.target.key or "",
        invocation_id_notification_idx=id_completion,
        result_completion_id=completion,
    ).SerializeToString()
    return CallEntry(MessageType.CALL, raw, callee, id_completion)


def one_way_call(caller_id: bytes, caller_target: Target, callee: Invoke, *, id_completion: int) -> CallEntry:
    callee.caller = Caller(caller_id, None, caller_target)
    raw = pb.OneWayCallCommand(
        service_name=callee.target.service,
        handler_name=callee.target.handler,
        parameter=b"p",
        key=callee.target.key or "",
        invocation_id_notification_idx=id_completion,
    ).SerializeToString()
    return CallEntry(MessageType.ONE_WAY_CALL, raw, callee, id_completion)


def set_state(name: bytes, value: bytes) -> Entry:
    raw = pb.SetStateCommand(key=name, value=pb.Value(content=value)).SerializeToString()
    return Entry(MessageType.SET_STATE, raw)


def set_packed_state(name: bytes, value: bytes) -> SetPackedState:
    """As the invoker makes it of a large one; that the machine does not look into it is as good."""
    raw = set_state(name, value).raw
    effect = read_set_state(raw, ack=False)
    assert isinstance(effect, SetPackedState)
    return effect


def get_lazy_state(name: bytes, completion_id: int) -> Entry:
    raw = pb.GetLazyStateCommand(key=name, result_completion_id=completion_id).SerializeToString()
    return Entry(MessageType.GET_LAZY_STATE, raw)


def complete_promise(name: str, value: bytes, completion_id: int) -> Entry:
    raw = pb.CompletePromiseCommand(
        key=name, completion_value=pb.Value(content=value), result_completion_id=completion_id
    ).SerializeToString()
    return Entry(MessageType.COMPLETE_PROMISE, raw)


def run(completion_id: int, name: str = "step") -> Entry:
    return Entry(MessageType.RUN, pb.RunCommand(result_completion_id=completion_id, name=name).SerializeToString())


def cancel_signal(invocation_id: bytes) -> Entry:
    raw = pb.SendSignalCommand(
        target_invocation_id=encode_invocation_id(invocation_id), idx=1, void=pb.Void()
    ).SerializeToString()
    return Entry(MessageType.SEND_SIGNAL, raw)
