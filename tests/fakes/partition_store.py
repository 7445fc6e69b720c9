"""Partition stores with rows as partitiond writes them, made without partitiond."""

from __future__ import annotations

from pathlib import Path

from rocksdict import Options, Rdict, WriteBatch

from shared.catalog.partitions import Partition
from shared.ids import key_partition_key, service_partition_key
from shared.protocol import service_pb2 as pb
from shared.protocol.message_types import MessageType
from shared.storage import keys
from shared.storage.values import (
    STORE_FORMAT,
    CounterRow,
    EventKind,
    EventRow,
    InvocationRow,
    JournalRow,
    LockRow,
    PartitionMeta,
    PromiseRow,
    Status,
    Waiting,
    encode,
)
from shared.wal.commands import Caller, Failure, FailureDetail, HandlerKind, Target

__all__ = ["EXAMPLES", "FakePartition", "fill_with_examples", "invocation_id", "journal_entry"]

T0 = 1_790_000_000_000
DAY_MS = 86_400_000


class FakePartition:
    """The primary of one partition's store: writes unsynced, with its WAL on, META in every batch."""

    def __init__(self, data: Path, partition: Partition) -> None:
        self.path = data / "partitions" / str(partition.id) / "store"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.partition = partition
        self.applied_lsn = 0
        #: For rows that a test brings.
        self.large_number = 0
        self._db = Rdict(str(self.path), Options(raw_mode=True))
        self.write({})

    def write(self, rows: dict[bytes, bytes]) -> None:
        """One batch, as the processor writes it."""
        self.applied_lsn += 1
        batch = WriteBatch(raw_mode=True)
        for key, value in rows.items():
            batch.put(key, value)
        meta = PartitionMeta(
            STORE_FORMAT,
            self.partition.id,
            self.partition.start_key,
            self.partition.end_key,
            self.applied_lsn,
            T0,
            1,
            b"leader",
            self.applied_lsn,
            0,
            large_number=self.large_number,
        )
        batch.put(keys.META_KEY, encode(meta))
        self._db.write(batch)

    def delete(self, key: bytes) -> None:
        self._db.delete(key)

    def flush(self) -> None:
        self._db.flush()

    def compact(self) -> None:
        self._db.flush()
        self._db.compact_range(None, None)

    def rows(self) -> list[tuple[bytes, bytes]]:
        return list(self._db.items())

    def close(self) -> None:
        self._db.close()


def invocation_id(partition_key: int, number: int) -> bytes:
    """An id at a place of the key space."""
    return partition_key.to_bytes(8, "big") + number.to_bytes(16, "big")


def journal_entry(kind: MessageType, message: object, *, at_ms: int = T0) -> JournalRow:
    """A journal row of one protobuf message."""
    return JournalRow(int(kind), message.SerializeToString(), at_ms)  # type: ignore[attr-defined]


def _row(status: Status, target: Target, **fields: object) -> InvocationRow:
    values: dict[str, object] = {
        "generation": 1,
        "journal_length": 1,
        "command_count": 1,
        "created_at_ms": T0,
        "modified_at_ms": T0 + 5,
        "completion_retention_ms": DAY_MS,
        "journal_retention_ms": DAY_MS,
    }
    return InvocationRow(status, target, **(values | fields))  # type: ignore[arg-type]


GREETER = Target("Greeter", "greet", None, HandlerKind.SERVICE)
COUNTER = Target("Counter", "add", "c1", HandlerKind.OBJECT_EXCLUSIVE)
SIGNUP = Target("Signup", "run", "user-1", HandlerKind.WORKFLOW_RUN)

SERVICE_KEY = service_partition_key("Greeter", 7)
COUNTER_KEY = key_partition_key("c1")
SIGNUP_KEY = key_partition_key("user-1")

#: Ids of the examples, by what they show.
EXAMPLES: dict[str, bytes] = {
    "scheduled": invocation_id(SERVICE_KEY, 1),
    "completed": invocation_id(SERVICE_KEY, 2),
    "failed": invocation_id(SERVICE_KEY, 3),
    "running": invocation_id(COUNTER_KEY, 4),
    "inboxed": invocation_id(COUNTER_KEY, 5),
    "suspended": invocation_id(SIGNUP_KEY, 6),
    "paused": invocation_id(SERVICE_KEY, 7),
    "backing-off": invocation_id(SERVICE_KEY, 8),
}


def fill_with_examples(partitions: list[FakePartition]) -> None:
    """An invocation in every status, each kind of row, in the partition where it belongs."""
    rows: dict[bytes, bytes] = {}
    for name, row in _invocations().items():
        rows[keys.invocation_key(EXAMPLES[name])] = encode(row)
    for index, entry in enumerate(_journal()):
        rows[keys.journal_key(EXAMPLES["running"], index)] = encode(entry)
    rows[keys.state_key(COUNTER_KEY, "Counter", "c1", b"count")] = b"42"
    rows[keys.state_key(COUNTER_KEY, "Counter", "c1", b"raw")] = b"\xff\x00"
    rows[keys.lock_key(COUNTER_KEY, "Counter", "c1")] = encode(LockRow(EXAMPLES["running"], 3, 4))
    rows[keys.lock_key(key_partition_key("free"), "Counter", "free")] = encode(LockRow(None, 0, 0))
    rows[keys.inbox_key(COUNTER_KEY, "Counter", "c1", 3)] = EXAMPLES["inboxed"]
    for name, promise in {
        "open": PromiseRow(False, None, [(EXAMPLES["suspended"], 1)]),
        "kept": PromiseRow(True, b'"yes"', []),
        "broken": PromiseRow(True, Failure(500, "no"), []),
    }.items():
        rows[keys.promise_key(SIGNUP_KEY, "Signup", "user-1", name)] = encode(promise)
    failure = FailureDetail(500, "boom", "RT0007", "at line 1", 2, "step", "Run")
    for name, number, event in (
        ("backing-off", 0, EventRow(EventKind.TRANSIENT_ERROR, 0, T0 + 1, failure)),
        ("paused", 0, EventRow(EventKind.TRANSIENT_ERROR, 0, T0 + 1, FailureDetail(500, "broken", "RT0012"))),
        ("paused", 1, EventRow(EventKind.PAUSED, 0, T0 + 2, failure)),
        ("paused", 2, EventRow(EventKind.PAUSED, 0, T0 + 3)),
    ):
        rows[keys.event_key(EXAMPLES[name], number)] = encode(event)
    rows[keys.counter_key(key_partition_key("tenant"), "tenant")] = encode(CounterRow(2, 1))
    for partition in partitions:
        bounds = partition.partition
        own = {k: v for k, v in rows.items() if bounds.start_key <= int.from_bytes(k[1:9], "big") <= bounds.end_key}
        partition.write(own)


def _invocations() -> dict[str, InvocationRow]:
    caller = Caller(EXAMPLES["completed"], 2, GREETER)
    return {
        "scheduled": _row(Status.SCHEDULED, GREETER, scheduled_at_ms=T0, start_at_ms=T0 + DAY_MS, idempotency_key="k"),
        "completed": _row(
            Status.COMPLETED,
            GREETER,
            result=b'"hi"',
            running_at_ms=T0 + 1,
            completed_at_ms=T0 + 5,
            deployment_id="dp_1one",
            protocol_version=6,
            traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            journal_length=2,
            command_count=2,
        ),
        "failed": _row(Status.COMPLETED, GREETER, result=Failure(418, "teapot"), completed_at_ms=T0 + 5),
        "running": _row(
            Status.INVOKED,
            COUNTER,
            running_at_ms=T0 + 1000,
            deployment_id="dp_1one",
            protocol_version=6,
            caller=caller,
            journal_length=len(_journal()),
        ),
        "inboxed": _row(Status.INBOXED, COUNTER, inboxed_at_ms=T0, inbox_seq=3),
        "suspended": _row(Status.SUSPENDED, SIGNUP, running_at_ms=T0, waiting=Waiting([1, 2], [17, 1], ["named"])),
        "paused": _row(Status.PAUSED, GREETER, running_at_ms=T0, paused_for="[500] broken"),
        "backing-off": _row(Status.INVOKED, GREETER, running_at_ms=T0),
    }


def _journal() -> list[JournalRow]:
    call = journal_entry(
        MessageType.CALL,
        pb.CallCommand(
            service_name="Greeter",
            handler_name="greet",
            parameter=b'"x"',
            invocation_id_notification_idx=1,
            result_completion_id=2,
        ),
    )
    call.callee_id = EXAMPLES["completed"]
    call.callee_target = GREETER
    return [
        journal_entry(
            MessageType.INPUT,
            pb.InputCommand(value=pb.Value(content=b"1"), headers=[pb.Header(key="h", value="v")]),
        ),
        call,
        journal_entry(MessageType.CALL_COMPLETION, pb.Notification(completion_id=2, value=pb.Value(content=b'"hi"'))),
        journal_entry(MessageType.RUN, pb.RunCommand(result_completion_id=3, name="step")),
        journal_entry(
            MessageType.RUN_COMPLETION, pb.Notification(completion_id=3, failure=pb.Failure(code=500, message="x"))
        ),
        journal_entry(MessageType.SLEEP, pb.SleepCommand(wake_up_time=T0, result_completion_id=4)),
        journal_entry(MessageType.SIGNAL, pb.Notification(signal_id=17, void=pb.Void())),
    ]
