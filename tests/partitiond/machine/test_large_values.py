"""Large values: stored once, named by state and journals, gone with their last use. The machine checks all of it after
each batch."""

from __future__ import annotations

import random

import pytest
from msgspec import msgpack
from zstandard import ZstdDecompressor

from partitiond.machine import invariants
from partitiond.machine.actions import ForwardNotification
from shared.protocol import service_pb2 as pb
from shared.protocol.message_types import MessageType as M
from shared.state_version import state_version
from shared.storage import keys, values
from shared.storage.large import LARGE_VALUE_BYTES
from shared.storage.packing import pack
from shared.wal.commands import (
    CleanUp,
    DeploymentChoice,
    End,
    Entry,
    HandlerKind,
    Pin,
    RestartAsNew,
    SetPackedState,
    Target,
    Terminate,
    TerminateMode,
)
from tests.partitiond.machine.fixtures import (
    COUNTER,
    HOUR_MS,
    SIGN_UP,
    Machine,
    call,
    get_lazy_state,
    invoke,
    new_id,
    output,
    patch,
    replay,
    set_packed_state,
    set_state,
)

SCOPED = Target("Counter", "add", "c1", HandlerKind.OBJECT_EXCLUSIVE, "tenant")
LATEST = DeploymentChoice("dp_2", 5, 6)
CLEAR_ALL = Entry(M.CLEAR_ALL_STATE, b"")


def large(letter: bytes, size: int = LARGE_VALUE_BYTES + 1) -> bytes:
    return letter * size


#: How a frame begins (RFC 8878).
_ZSTD = b"\x28\xb5\x2f\xfd"
A, B, C = large(b"a"), large(b"b"), large(b"c", LARGE_VALUE_BYTES + 777)


def clear(name: bytes) -> Entry:
    return Entry(M.CLEAR_STATE, pb.ClearStateCommand(key=name).SerializeToString())


def contents(machine: Machine) -> list[bytes]:
    """All that are stored, oldest first."""
    found = [value for _, value in machine.store.scan(keys.LARGE, keys.LARGE_USES)]
    return [ZstdDecompressor().decompress(value) if value.startswith(_ZSTD) else value for value in found]


@pytest.fixture
def machine() -> Machine:
    return Machine()


def begun(machine: Machine, target: Target = COUNTER, *, retention_ms: int = HOUR_MS) -> bytes:
    invocation_id = new_id(target)
    machine.apply(invoke(invocation_id, target, retention_ms=retention_ms))
    return invocation_id


def purge(machine: Machine, invocation_id: bytes, mode: TerminateMode = TerminateMode.PURGE) -> None:
    machine.apply(Terminate(invocation_id, mode, 1))


@pytest.mark.parametrize("target", [COUNTER, SCOPED, SIGN_UP])
def test_a_packed_one_is_stored_as_it_came_and_read_as_it_was(machine: Machine, target: Target) -> None:
    a = begun(machine, target)
    before = sum(len(value) for _, value in machine.store.scan(b"\x00", b"\xff"))
    machine.report(a, set_packed_state(b"n", A), get_lazy_state(b"n", 1))
    grown = sum(len(value) for _, value in machine.store.scan(b"\x00", b"\xff")) - before
    assert grown < 1000
    assert machine.state(target) == {b"n": A}
    assert contents(machine) == [A]
    assert machine.journal(a)[1].raw == set_state(b"n", A).raw
    assert machine.last_notification_of(a, M.GET_LAZY_STATE_COMPLETION).value.content == A
    assert machine.row(a).large_values == [1]
    assert replay(machine.log).digest() == machine.store.digest()


@pytest.mark.parametrize("target", [COUNTER, SCOPED, SIGN_UP])
def test_it_is_stored_once_however_often_it_is_read_and_named(machine: Machine, target: Target) -> None:
    a = begun(machine, target)
    before = sum(len(value) for _, value in machine.store.scan(b"\x00", b"\xff"))
    actions = machine.report(a, set_state(b"n", A), get_lazy_state(b"n", 1), get_lazy_state(b"n", 2))
    grown = sum(len(value) for _, value in machine.store.scan(b"\x00", b"\xff")) - before
    assert len(A) < grown < len(A) + 1000
    assert machine.state(target) == {b"n": A}
    assert contents(machine) == [A]
    told = [action for action in actions if isinstance(action, ForwardNotification)]
    assert [(action.index, action.large is not None, len(action.raw) < 100) for action in told] == [
        (3, True, True),
        (5, True, True),
    ]
    _, put, _, one, _, two = machine.journal(a)
    assert put.raw == set_state(b"n", A).raw
    for completion_id, entry in ((1, one), (2, two)):
        wanted = pb.Notification(completion_id=completion_id, value=pb.Value(content=A))
        assert entry.raw == wanted.SerializeToString()
    assert machine.row(a).large_values == [1]
    assert replay(machine.log).digest() == machine.store.digest()


def test_one_that_is_just_not_large_is_stored_as_it_is(machine: Machine) -> None:
    a = begun(machine)
    machine.report(a, set_state(b"n", A[:-1]), get_lazy_state(b"n", 1))
    assert not contents(machine)
    assert (machine.meta.large_number, machine.meta.large_states, machine.row(a).large_values) == (0, 0, [])


@pytest.mark.parametrize(
    "after",
    [
        set_state(b"n", b"small"),
        set_state(b"n", b""),
        set_state(b"n", B),
        set_packed_state(b"n", B),
        clear(b"n"),
        CLEAR_ALL,
    ],
)
@pytest.mark.parametrize("stored", [set_state(b"n", A), set_packed_state(b"n", A)])
def test_what_is_replaced_stays_for_the_journal_and_goes_with_it(
    machine: Machine, stored: Entry | SetPackedState, after: Entry | SetPackedState
) -> None:
    a = begun(machine)
    machine.report(a, stored, set_state(b"other", b"o"))
    machine.report(a, after)
    assert contents(machine)[0] == A
    assert machine.journal(a)[1].raw == set_state(b"n", A).raw
    now = machine.state(COUNTER)
    machine.report(a, get_lazy_state(b"n", 1), output(), End())
    assert machine.last_notification_of(a, M.GET_LAZY_STATE_COMPLETION).value.content == now.get(b"n", b"")
    purge(machine, a, TerminateMode.PURGE_JOURNAL)
    assert machine.row(a).large_values == []
    assert machine.state(COUNTER) == now
    assert contents(machine) == [value for value in now.values() if len(value) > LARGE_VALUE_BYTES]


def test_state_outlives_the_invocations_that_made_it(machine: Machine) -> None:
    a = begun(machine, retention_ms=0)
    machine.report(a, set_state(b"n", A), set_state(b"m", B), output(), End())
    assert not machine.exists(a)
    assert machine.state(COUNTER) == {b"n": A, b"m": B}
    b = begun(machine, retention_ms=0)
    machine.report(b, get_lazy_state(b"n", 1), clear(b"n"))
    assert machine.state(COUNTER) == {b"m": B}
    assert contents(machine) == [A, B], "the reader has it in its journal"
    purge(machine, b, TerminateMode.KILL)
    assert contents(machine) == [B]
    c = begun(machine, retention_ms=0)
    machine.report(c, CLEAR_ALL, output(), End())
    assert not contents(machine)
    assert (machine.meta.large_states, machine.meta.large_number) == (0, 2)
    assert replay(machine.log).digest() == machine.store.digest()


def test_a_journal_is_forgotten_by_the_clock(machine: Machine) -> None:
    a = begun(machine)
    machine.report(a, set_state(b"n", A), set_state(b"n", b"s"), output(), End())
    machine.now_ms += HOUR_MS + 1
    machine.apply(CleanUp([a]))
    assert not machine.exists(a)
    assert not contents(machine)


def test_a_restart_uses_what_it_copies(machine: Machine) -> None:
    a = begun(machine)
    machine.report(a, Pin("dp_1", 6), set_state(b"n", A), get_lazy_state(b"n", 1), set_state(b"n", B), output(), End())
    b = new_id(COUNTER)
    machine.apply(RestartAsNew(a, b, 7, 2, LATEST, True))
    assert [entry.raw for entry in machine.journal(b)] == [entry.raw for entry in machine.journal(a)[:4]]
    purge(machine, a)
    assert contents(machine) == [A, B]
    assert machine.journal(b)[1].raw == set_state(b"n", A).raw
    purge(machine, b, TerminateMode.KILL)
    purge(machine, b)
    assert contents(machine) == [B]
    assert replay(machine.log).digest() == machine.store.digest()


def test_a_change_from_outside_stores_and_lets_go(machine: Machine) -> None:
    machine.apply(patch(COUNTER, {b"a": A, b"b": B, b"c": b"", b"d": b"small"}))
    assert contents(machine) == [A, B]
    a = begun(machine)
    machine.report(a, get_lazy_state(b"b", 1), get_lazy_state(b"c", 2))
    machine.apply(patch(COUNTER, {b"b": b"x", b"c": C, b"d": b""}))
    assert machine.state(COUNTER) == {b"a": A, b"b": B, b"c": b"", b"d": b"small"}, "it waits for the call"
    machine.report(a, output(), End())
    assert machine.state(COUNTER) == {b"b": b"x", b"c": C, b"d": b""}
    assert contents(machine) == [B, C]
    assert machine.meta.large_states == 1


def test_the_version_of_state_is_of_its_contents(machine: Machine) -> None:
    machine.apply(patch(COUNTER, {b"a": A, b"b": b""}))
    machine.apply(patch(COUNTER, {b"a": B}, version=state_version([(b"a", b""), (b"b", b"")])))
    assert machine.state(COUNTER) == {b"a": A, b"b": b""}
    machine.apply(patch(COUNTER, {b"a": B}, version=state_version([(b"a", A), (b"b", b"")])))
    assert machine.state(COUNTER) == {b"a": B}


def test_a_forgotten_workflow_leaves_nothing(machine: Machine) -> None:
    w = begun(machine, SIGN_UP)
    machine.report(w, set_state(b"s", A), get_lazy_state(b"s", 1), output(), End())
    purge(machine, w)
    assert not contents(machine)
    assert not list(machine.store.scan(keys.LARGE_USES, keys.prefix_end(keys.LARGE_STATE)))
    assert machine.meta.large_states == 0


def test_a_command_that_only_protobuf_reads_keeps_its_bytes(machine: Machine) -> None:
    """The key comes twice: the last one counts. State is stored once all the same, the journal has it as it came."""
    a = begun(machine)
    raw = b"\x0a\x01x" + set_state(b"n", A).raw
    machine.report(a, Entry(M.SET_STATE, raw), get_lazy_state(b"n", 1))
    assert machine.journal(a)[1].raw == raw
    assert machine.state(COUNTER) == {b"n": A}
    assert machine.row(a).large_values == [1]


def test_rows_of_older_builds_are_read_beside_new_ones(machine: Machine) -> None:
    """They have all bytes where they are named, and fewer fields."""
    place = keys.state_key(int.from_bytes(new_id(COUNTER)[:8], "big"), "Counter", "c1", b"n")
    machine.store.commit({place: A})
    a = begun(machine)
    machine.report(a, get_lazy_state(b"n", 1), set_state(b"m", B))
    assert machine.last_notification_of(a, M.GET_LAZY_STATE_COMPLETION).value.content == A
    assert contents(machine) == [B]
    key = keys.journal_key(a, 2)
    stored = machine.store.get(key)
    assert stored is not None
    machine.store.commit({key: msgpack.encode(msgpack.decode(stored)[:5])})
    machine.report(a, set_state(b"n", C))
    assert machine.state(COUNTER) == {b"n": C, b"m": B}
    assert contents(machine) == [B, C]
    purge(machine, a, TerminateMode.KILL)
    purge(machine, a)
    assert contents(machine) == [B, C]


@pytest.mark.parametrize("fields", [5, 6])
def test_a_kill_reaches_callees_beside_large_entries(machine: Machine, fields: int) -> None:
    """5: as builds wrote rows that did not know large values."""
    a, b = begun(machine), new_id()
    machine.report(a, set_state(b"n", A), call(a, COUNTER, invoke(b), id_completion=1, completion=2))
    key = keys.journal_key(a, 2)
    stored = machine.store.get(key)
    assert stored is not None
    machine.store.commit({key: msgpack.encode(msgpack.decode(stored)[:fields])})
    purge(machine, a, TerminateMode.KILL)
    assert machine.row(b).result is not None


def test_broken_rules_are_told(machine: Machine) -> None:
    a = begun(machine)
    machine.report(a, set_state(b"n", A))
    place = int.from_bytes(a[:8], "big")
    state_key = keys.state_key(place, "Counter", "c1", b"n")

    def broken(key: bytes, value: bytes | None) -> str:
        before = machine.store.get(key)
        machine.store.commit({key: value})
        told = "\n".join(invariants.check(machine.store))
        machine.store.commit({key: before})
        assert not invariants.check(machine.store)
        return told

    assert "is missing" in broken(keys.large_key(place, 1), None)
    assert "counts 3 uses, and has 2" in broken(keys.large_uses_key(place, 1), (3).to_bytes(4, "big"))
    assert "bytes, not" in broken(keys.large_key(place, 1), b"short")
    assert "nothing uses it" in broken(keys.large_key(place, 2), A)
    assert "the newest is 1" in broken(keys.large_key(place, 2), A)
    assert "not there and empty" in broken(state_key, None)
    assert "counts 1 large values of state, and has 0" in broken(keys.large_state_key(state_key), None)
    assert "is missing" in broken(keys.large_uses_key(place, 9), (1).to_bytes(4, "big"))
    row = machine.row(a)
    row.large_values = []
    assert "names [], and its journal has [1]" in broken(keys.invocation_key(a), values.encode(row))
    machine.report(a, set_packed_state(b"packed", B))
    for stored in (b"no frame", pack(A + b"b")):
        assert "large value 2 at" in broken(keys.large_key(place, 2), stored)


class Story:
    """Random things are done to one object, and to a plain map and lists beside it."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.machine = Machine()
        self.target = self.dice.choice((COUNTER, SCOPED))
        self.state: dict[bytes, bytes] = {}
        #: What each journal must have.
        self.journals: dict[bytes, list[bytes]] = {}
        self.ended: list[bytes] = []
        self.restarts = 0
        self.completions = 0
        self.running = b""
        self.begin()

    def begin(self) -> None:
        self.running = begun(self.machine, self.target)
        self.machine.report(self.running, Pin("dp_1", 6))
        self.journals[self.running] = [self.machine.journal(self.running)[0].raw]

    def report(self, effect: Entry | SetPackedState, entry: Entry | None = None) -> None:
        """`entry`: as the journal shows it, if it is told in another way."""
        self.machine.report(self.running, effect)
        self.journals[self.running].append((entry or effect).raw)

    def step(self) -> None:
        dice, name = self.dice, self.dice.choice((b"x", b"y", b"z"))
        match dice.choice(("set", "set", "set", "get", "get", "clear", "all", "end", "restart", "purge", "patch")):
            case "set":
                value = self.state[name] = dice.choice((b"", b"small", A, B, C))
                packed = len(value) > LARGE_VALUE_BYTES and dice.random() < 0.5
                self.report(set_packed_state(name, value) if packed else set_state(name, value), set_state(name, value))
            case "get":
                self.get(name)
            case "clear":
                self.state.pop(name, None)
                self.report(clear(name))
            case "all":
                self.state.clear()
                self.report(CLEAR_ALL)
            case "end":
                if dice.random() < 0.5:
                    self.report(output())
                    self.machine.report(self.running, End())
                else:
                    purge(self.machine, self.running, TerminateMode.KILL)
                self.ended.append(self.running)
                self.begin()
            case "restart" if self.ended:
                self.restart(dice.choice(self.ended))
            case "purge" if self.ended:
                gone = self.ended.pop(dice.randrange(len(self.ended)))
                purge(self.machine, gone)
                del self.journals[gone]
            case "patch":
                self.state = {key: dice.choice((b"", b"p", A, C)) for key in dice.sample((b"x", b"y", b"z"), 2)}
                kill = Terminate(self.running, TerminateMode.KILL, 1)
                self.machine.apply(patch(self.target, self.state), kill)
                self.ended.append(self.running)
                self.begin()
        assert self.machine.state(self.target) == self.state

    def get(self, name: bytes) -> None:
        self.completions += 1
        self.report(get_lazy_state(name, self.completions))
        told = pb.Notification(completion_id=self.completions)
        if name in self.state:
            told.value.content = self.state[name]
            told.value.SetInParent()
        else:
            told.void.SetInParent()
        self.journals[self.running].append(told.SerializeToString())

    def restart(self, old: bytes) -> None:
        machine, new = self.machine, new_id(self.target)
        purge(machine, self.running, TerminateMode.KILL)
        self.ended.append(self.running)
        at = self.dice.randrange(len(self.journals[old]))
        machine.apply(RestartAsNew(old, new, 7, at, LATEST, False))
        assert machine.exists(new)
        self.running = new
        copied = len(machine.journal(new))
        # A read without its answer gets it too.
        assert at < copied <= at + 2
        self.journals[new] = self.journals[old][:copied]
        self.restarts += 1


@pytest.mark.parametrize("seed", range(15))
def test_any_order_of_things_keeps_what_a_plain_map_has(seed: int) -> None:
    """State, journals and what is read are those of a runtime that stores each value wherever it is."""
    story = Story(seed)
    machine = story.machine
    for _ in range(60):
        story.step()
    assert story.restarts > 0
    assert contents(machine)
    for invocation_id, raws in story.journals.items():
        assert [entry.raw for entry in machine.journal(invocation_id)] == raws
    for invocation_id in [*story.ended, story.running]:
        machine.apply(Terminate(invocation_id, TerminateMode.KILL, 1), Terminate(invocation_id, TerminateMode.PURGE, 1))
    machine.apply(patch(story.target, {}))
    assert not contents(machine)
    assert replay(machine.log).digest() == machine.store.digest()
