"""State that is changed from outside: given commands, the state, who runs, and what waits."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from partitiond.machine import invariants, wakers
from shared.state_version import state_version
from shared.storage import keys
from shared.wal.commands import End, SetRules, Target, Terminate, TerminateMode
from tests.partitiond.machine.fixtures import (
    COUNTER,
    COUNTER_GET,
    SIGN_UP,
    START_MS,
    Machine,
    invoke,
    new_id,
    output,
    patch,
    replay,
    set_state,
)

OTHER = replace(COUNTER, key="c2")
EMPTY = state_version([])
A1 = {b"a": b"1"}
B2 = {b"b": b"2"}


@pytest.fixture
def machine() -> Machine:
    return Machine()


def kinds(actions: list[object]) -> list[str]:
    return [type(action).__name__ for action in actions]


def waiting(machine: Machine) -> int:
    """Changes of state that wait for their object."""
    return sum(1 for kind in (keys.MUTATION, keys.SCOPED_MUTATION) for _ in machine.store.scan(kind, kind + b"\xff"))


def version_of(state: dict[bytes, bytes]) -> str:
    return state_version(sorted(state.items()))


@pytest.mark.parametrize(
    ("before", "version", "new", "after"),
    [
        ({}, None, A1, A1),
        ({}, EMPTY, A1, A1),
        ({}, "", A1, {}),
        ({}, "not a version", A1, {}),
        ({}, version_of(A1), B2, {}),
        (A1, None, B2, B2),
        (A1, version_of(A1), B2, B2),
        (A1, EMPTY, B2, A1),
        (A1, version_of({b"a": b"2"}), B2, A1),
        (A1, version_of({b"b": b"1"}), B2, A1),
        (A1, None, {}, {}),
        (A1, version_of(A1), {}, {}),
        (A1, version_of(A1), A1, A1),
        (A1 | B2, version_of(A1 | B2), {b"b": b"3", b"c": b""}, {b"b": b"3", b"c": b""}),
        (A1 | B2, version_of(A1), {}, A1 | B2),
        ({b"": b"empty", b"\xff\xff": b"no text"}, None, {b"": b""}, {b"": b""}),
    ],
)
@pytest.mark.parametrize(
    "target", [COUNTER, COUNTER_GET, SIGN_UP, replace(COUNTER, scope="s"), replace(SIGN_UP, scope="s")], ids=str
)
def test_all_state_is_replaced_when_the_version_is_right(
    machine: Machine,
    target: Target,
    before: dict[bytes, bytes],
    version: str | None,
    new: dict[bytes, bytes],
    after: dict[bytes, bytes],
) -> None:
    """Once at once, and once behind a call that made the state before; in one transaction with that, too."""
    machine.apply(patch(target, before))
    assert machine.apply(patch(target, new, version=version)) == []
    assert machine.state(target) == after
    machine.apply(patch(target, before), patch(target, new, version=version))
    assert machine.state(target) == after


def test_only_this_object_of_this_scope_is_changed(machine: Machine) -> None:
    others = [OTHER, replace(COUNTER, service="Counte"), replace(COUNTER, scope="s"), replace(COUNTER, key="c")]
    for other in others:
        machine.apply(patch(other, A1))
    machine.apply(patch(COUNTER, B2), patch(COUNTER, {}))
    assert [machine.state(other) for other in others] == [A1] * len(others)


def test_it_waits_for_the_end_of_the_call_and_is_seen_by_the_next(machine: Machine) -> None:
    first, second = new_id(COUNTER), new_id(COUNTER)
    machine.apply(invoke(first, COUNTER))
    assert kinds(machine.apply(patch(COUNTER, B2), invoke(second, COUNTER))) == ["InvocationStored"]
    machine.report(first, set_state(b"a", b"1"))
    assert (machine.state(COUNTER), waiting(machine)) == (A1, 1)
    actions = machine.report(first, output(), End())
    assert kinds(actions) == ["InvocationEnded", "StartInvocation"]
    assert (machine.state(COUNTER), waiting(machine)) == (B2, 0)
    machine.report(second, output(), End())
    assert machine.store.get(keys.lock_key(int.from_bytes(first[:8], "big"), "Counter", "c1")) is None


#: What arrives while a call holds the object: `e…` changes of state (with the log that they are made for), `c` calls
#: that append their name to the log. Then what that is in the end.
ORDERS: list[tuple[list[str], bytes]] = [
    (["e:x"], b"x"),
    (["e:x", "e:y"], b"y"),
    (["e:x", "c1", "e:y", "c2"], b"y2"),
    (["c1", "e:x", "c2", "c3"], b"x23"),
    (["c1", "c2", "e:x"], b"x"),
    (["c1", "e01:x", "c2"], b"x2"),
    (["c1", "e0:x", "c2"], b"012"),
    (["c1", "e02:x", "e01:y", "e01:z", "c2"], b"y2"),
    (["e:x", "ex:y", "ey:z", "c1"], b"z1"),
]


@pytest.mark.parametrize(("arrivals", "end"), ORDERS)
@pytest.mark.parametrize("target", [COUNTER, replace(COUNTER, scope="s")], ids=str)
def test_changes_and_calls_are_in_the_order_of_arrival(
    machine: Machine, target: Target, arrivals: list[str], end: bytes
) -> None:
    machine.apply(SetRules(1, [("s", 2)]))
    holder = new_id(target)
    machine.apply(invoke(holder, target))
    calls = []
    for arrival in arrivals:
        if arrival.startswith("c"):
            calls.append((new_id(target), arrival[1:].encode()))
            machine.apply(invoke(calls[-1][0], target))
        else:
            made_for, _, new = arrival[1:].partition(":")
            version = version_of({b"log": made_for.encode()}) if made_for else None
            machine.apply(patch(target, {b"log": new.encode()}, version=version))
    for running, name in [(holder, b"0"), *calls]:
        log = machine.state(target).get(b"log", b"")
        machine.report(running, set_state(b"log", log + name), output(), End())
    assert machine.state(target) == {b"log": end}
    assert waiting(machine) == 0
    assert wakers.check([machine.store]) == []


@pytest.mark.parametrize(
    "ends", [lambda a: Terminate(a, TerminateMode.KILL), lambda a: Terminate(a, TerminateMode.CANCEL)]
)
def test_gaps_in_the_queue_are_stepped_over_and_changes_are_made(
    machine: Machine, ends: Callable[[bytes], Terminate]
) -> None:
    """Calls that wait are cancelled or killed; the holder is killed."""
    holder, *calls = (new_id(COUNTER) for _ in range(4))
    machine.apply(invoke(holder, COUNTER), invoke(calls[0], COUNTER), patch(COUNTER, A1), invoke(calls[1], COUNTER))
    machine.apply(patch(COUNTER, B2, version=version_of(A1)), invoke(calls[2], COUNTER))
    machine.apply(ends(calls[0]), ends(calls[1]))
    actions = machine.apply(Terminate(holder, TerminateMode.KILL))
    assert "StartInvocation" in kinds(actions)
    assert machine.state(COUNTER) == B2
    assert machine.row(calls[2]).running_at_ms


def test_shared_handlers_and_workflows_hold_nothing_up(machine: Machine) -> None:
    for target in (COUNTER_GET, SIGN_UP):
        machine.apply(invoke(new_id(target), target), patch(target, A1))
        assert machine.state(target) == A1


def test_a_call_that_waits_for_its_scopes_room_holds_it_up(machine: Machine) -> None:
    """It has the lock already: to the change it is a call that came before."""
    target = replace(COUNTER, scope="s")
    machine.apply(SetRules(1, [("s", 1)]))
    hog, call = new_id(replace(OTHER, scope="s")), new_id(target)
    machine.apply(invoke(hog, replace(OTHER, scope="s")), invoke(call, target), patch(target, B2))
    assert waiting(machine) == 1
    machine.report(hog, output(), End())
    machine.report(call, set_state(b"a", b"1"), output(), End())
    assert machine.state(target) == B2


@pytest.mark.parametrize("locked", [False, True])
def test_a_request_that_is_sent_again_counts_once(machine: Machine, locked: bool) -> None:
    """metad hears nothing of the first because the leader changes, and asks the next one."""
    first = patch(COUNTER, A1, uid=START_MS.to_bytes(8, "big") + b"request1")
    if locked:
        machine.apply(invoke(holder := new_id(COUNTER), COUNTER))
    machine.apply(first)
    if locked:
        machine.report(holder, output(), End())
    machine.announce(b"leader-2")
    call = new_id(COUNTER)
    machine.apply(invoke(call, COUNTER))
    machine.report(call, set_state(b"a", b"2"), output(), End())
    machine.apply(first)
    assert machine.state(COUNTER) == {b"a": b"2"}
    assert waiting(machine) == 0


def test_requests_are_forgotten_after_ten_minutes(machine: Machine) -> None:
    def known() -> int:
        return sum(1 for _ in machine.store.scan(keys.PATCHED, keys.META))

    for number in range(40):
        uid = (machine.now_ms + number).to_bytes(8, "big") + bytes(8)
        machine.apply(patch(COUNTER, A1, uid=uid), patch(COUNTER, A1, uid=uid))
    assert known() == 40
    machine.now_ms += 10 * 60 * 1000 + 50
    for left in (25, 10, 3, 4):
        machine.apply(patch(COUNTER, A1, uid=(machine.now_ms + left).to_bytes(8, "big") + bytes(8)))
        assert known() == left


def test_two_replays_give_the_same_rows(machine: Machine) -> None:
    a, b = new_id(COUNTER), new_id(COUNTER)
    machine.apply(invoke(a, COUNTER), patch(COUNTER, A1 | B2), invoke(b, COUNTER), patch(COUNTER, {}))
    machine.report(a, set_state(b"x", b"y"), output(), End())
    everything = b"\x00", b"\xff"
    assert list(replay(machine.log).scan(*everything)) == list(machine.store.scan(*everything))


@pytest.mark.parametrize("scope", [None, "s"])
@pytest.mark.parametrize(
    ("drop", "text"),
    [
        (keys.mutation_key, "is of no invocation and no change of state"),
        (keys.inbox_key, "a change of state has no place 0 in the inbox"),
        (lambda place, service, key, seq, scope: keys.lock_key(place, service, key, scope), "nobody holds its object"),
    ],
)
def test_the_invariants_find_what_is_missing(
    machine: Machine, drop: Callable[..., bytes], text: str, scope: str | None
) -> None:
    target = replace(COUNTER, scope=scope)
    holder = new_id(target)
    machine.apply(invoke(holder, target), patch(target, A1))
    machine.store.commit({drop(int.from_bytes(holder[:8], "big"), "Counter", "c1", 0, scope): None})
    assert any(text in sentence for sentence in invariants.check(machine.store))
