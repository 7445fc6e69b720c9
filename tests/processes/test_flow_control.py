"""Limits of concurrency on whole runtimes: ours, and the oracle where it must be the same.

What ran at once is measured in the service. After Restate's own ConcurrencyLimitTest, ScopeIsolationTest and
ServiceToServiceScopeConcurrency, and beyond them.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from tests.conftest import eventually
from tests.processes.flow_world import World, everlog_world, oracle_world, request

pytestmark = [pytest.mark.slow, pytest.mark.processes, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def ours() -> Iterator[World]:
    with everlog_world(partitions=4, workers=2) as world:
        yield world


@pytest.fixture(scope="module")
def theirs() -> Iterator[World]:
    with oracle_world() as world:
        yield world


@pytest.fixture(params=["ours", "theirs"])
def world(request: pytest.FixtureRequest) -> World:
    found: World = request.getfixturevalue(request.param)
    found.name = f"t{uuid.uuid4().hex[:10]}"
    return found


def test_no_more_run_than_the_limit_and_the_rest_goes_on(world: World) -> None:
    scope = world.name
    world.rule(scope, 2)
    held = [world.send(scope, "Flow/hold", f"{scope}-{number}") for number in range(4)]
    eventually(lambda: world.statuses(scope) == {"running": 2, "pending": 2}, what="two run and two wait")
    for number in range(4):
        expected = min(2, 4 - number)
        eventually(lambda n=expected: len(world.running().now[scope]) == n, what="the next one runs")
        world.open(f"{scope}-{number}")
    world.wait_all(held)
    assert world.running().most[scope] == 2
    world.wait_all(world.send_many(12, scope, "Flow/work", 30))
    assert world.running().most[scope] == 2


def test_one_idempotency_key_in_two_scopes_is_two_invocations(world: World) -> None:
    key = world.name
    made = {
        (scope, time): world.call(scope, "Flow/work", 1, idempotency_key=key)
        for time in range(2)
        for scope in (f"{key}-a", f"{key}-b", None)
    }
    assert len({made[scope, 0] for scope in (f"{key}-a", f"{key}-b", None)}) == 3
    assert all(made[scope, 0] == made[scope, 1] for scope, _ in made)
    target = {"target": "idempotentInvocation", "service": "Flow", "handler": "work", "idempotencyKey": key}
    for scope in (f"{key}-a", None, f"{key}-c"):
        status = 404 if scope == f"{key}-c" else 200
        for action in ("attach", "output"):
            found = request("POST", f"{world.ingress}/restate/{action}", target | {"scope": scope})
            assert found[0] == status
            assert status == 404 or found[1] == made[scope, 0]


def test_objects_and_workflows_of_two_scopes_are_two(world: World) -> None:
    first, second = f"{world.name}-a", f"{world.name}-b"
    key = world.name
    for scope in (first, second, None):
        assert world.call(scope, f"FlowObject/{key}/put", str(scope)) is None
    for scope in (first, second, None):
        assert world.call(scope, f"FlowObject/{key}/put", "again") == str(scope)
        assert world.call(scope, f"FlowOnce/{key}/run") == {"scope": scope, "limit_key": None}
        assert world.call(scope, f"FlowOnce/{key}/peek") == (scope or "none")
        again = request("POST", f"{world.ingress}/restate{f'/scope/{scope}' if scope else ''}/call/FlowOnce/{key}/run")
        assert again[0] == 409
    states = world.rows(f"SELECT scope, value_utf8 FROM state WHERE service_key = '{key}' ORDER BY scope NULLS FIRST")
    assert [row.get("scope") for row in states] == [None, first, second]
    one = world.rows(f"SELECT service_key FROM state WHERE scope = '{second}' AND service_name = 'FlowObject'")
    assert one == [{"service_key": key}]
    none = world.rows(f"SELECT value_utf8 FROM state WHERE scope IS NULL AND service_key = '{key}'")
    assert none == [{"value_utf8": '"again"'}]
    promises = world.rows(f"SELECT scope, key FROM sys_promise WHERE service_key = '{key}' ORDER BY scope NULLS FIRST")
    assert [(row.get("scope"), row["key"]) for row in promises] == [
        (None, "scope"),
        (first, "scope"),
        (second, "scope"),
    ]


def test_a_service_calls_within_a_scope(world: World) -> None:
    scope = world.name
    world.rule(f"{scope}/gold", 2)
    order = {"scope": scope, "limit_key": "gold", "milliseconds": 40, "count": 8}
    made = world.call(None, "Flow/fan", order)
    assert len(set(made)) == 8
    running = world.running()
    assert (running.most[scope], running.most[f"{scope}/gold"]) == (2, 2)
    unlimited = world.call(None, "Flow/fan", {"scope": scope, "milliseconds": 300, "count": 8})
    assert len(set(unlimited)) == 8
    assert world.running().most[scope] > 2


def test_what_a_callee_sees_of_its_scope(world: World) -> None:
    scope = world.name

    def seen(scope: str | None, limit_key: str | None = None, idempotency_key: str | None = None) -> dict[str, object]:
        return {"scope": scope, "limit_key": limit_key, "idempotency_key": idempotency_key}

    told = world.call(f"{scope}-caller", "Flow/callees", scope, "a/b")
    assert told == {
        "plain": seen(None),
        "scoped": seen(scope),
        "limited": seen(scope, "gold/eu", "k"),
        "object": None,
        "workflow": {"scope": scope, "limit_key": None},
    }
    assert world.call(f"{scope}-caller", "Flow/where", None, "a/b") | {"idempotency_key": None} == seen(
        f"{scope}-caller", "a/b"
    )
    rows = world.rows(
        f"SELECT target, limit_key FROM sys_invocation WHERE scope = '{scope}' ORDER BY target, limit_key NULLS FIRST"
    )
    assert [(row["target"], row.get("limit_key")) for row in rows] == [
        ("Flow/where", None),
        ("Flow/where", "gold/eu"),
        ("FlowObject/shared/put", None),
        ("FlowOnce/shared/run", None),
    ]


def test_limits_hold_at_three_levels(world: World) -> None:
    scope = world.name
    for pattern, limit in ((scope, 5), (f"{scope}/*", 3), (f"{scope}/*/*", 1), (f"{scope}/a/x", 2)):
        world.rule(pattern, limit)
    sent = []
    for limit_key in ("a/x", "a/y", "b/x", "b", ""):
        sent += world.send_many(10, scope, "Flow/work", 40, limit_key)
    world.wait_all(sent)
    most = world.running().most
    allowed = {scope: 5, **{f"{scope}/{key}": 3 for key in "ab"}}
    allowed |= {f"{scope}/a/x": 2, f"{scope}/a/y": 1, f"{scope}/b/x": 1}
    found = {counter: most[counter] for counter in allowed}
    assert all(found[counter] <= limit for counter, limit in allowed.items()), found
    assert (found[scope], found[f"{scope}/a/y"], found[f"{scope}/b/x"]) == (5, 1, 1)


def test_a_suspended_one_leaves_its_place(world: World) -> None:
    """It counts as running until it sleeps, and again when it wakes."""
    scope = world.name
    world.rule(scope, 1)
    slept = world.send(scope, "FlowIdle/sleep", 1500)
    eventually(lambda: world.statuses(scope) == {"suspended": 1}, what="it is suspended")
    assert world.attach(world.send(scope, "Flow/work", 10))[0] == 200
    holder = world.send(scope, "Flow/hold", f"{scope}-go")
    world.until(lambda running: len(running.now[scope]) == 1, what="the other one holds the place")
    eventually(
        lambda: "suspended" not in world.statuses(scope) and world.statuses(scope)["running"] == 1,
        what="it has slept and waits for its place",
    )
    assert world.attach(world.send(scope + "-other", "Flow/work", 10))[0] == 200
    world.open(f"{scope}-go")
    world.wait_all([slept, holder])
    assert world.running().most[scope] == 1


def test_a_long_pause_before_the_next_attempt_leaves_the_place(world: World) -> None:
    scope = world.name
    world.rule(scope, 1)
    failing = world.send(scope, "FlowIdle/fail_until", f"{scope}-go")
    world.until(lambda running: running.begins and not running.now[scope], what="the first attempt has failed")
    others = [world.send(scope, "Flow/work", 10) for _ in range(5)]
    world.wait_all(others, deadline_s=2.5)
    assert world.statuses(scope).get("completed") == 5
    world.open(f"{scope}-go")
    world.wait_all([failing])
    assert world.running().most[scope] == 1


def test_rules_change_while_invocations_run(world: World) -> None:
    """More room is given at once; less takes effect as those that run end."""
    scope = world.name
    gates = {world.send(scope, "Flow/hold", f"{scope}-{number}"): f"{scope}-{number}" for number in range(12)}

    def held() -> set[str]:
        return world.running().now[scope]

    def until(count: int, what: str) -> None:
        eventually(lambda: len(held()) == count, 30, what=what)

    def end(count: int) -> None:
        for invocation in sorted(held())[:count]:
            world.open(gates[invocation])

    until(12, "nothing bounds them")
    world.rule(scope, 3)
    more = {world.send(scope, "Flow/hold", f"{scope}-more-{number}"): f"{scope}-more-{number}" for number in range(8)}
    gates |= more
    eventually(lambda: world.statuses(scope) == {"running": 12, "pending": 8}, what="new ones wait")
    end(9)
    until(3, "nine have ended, and no more than three may run")
    end(1)
    until(3, "one has ended and one has begun")
    world.rule(scope, 5)
    until(5, "two more begin")
    world.rule(scope, 2)
    left = len(gates) - 10
    while len(held()) > 2:
        # One by one: the runtime may not have heard of the rule yet, and let another one begin.
        one = min(held())
        world.open(gates[one])
        eventually(lambda one=one: one not in held(), 30, what="one above the limit ends")
        left -= 1
    wanted = {"completed": len(gates) - left, "running": 2, "pending": left - 2}
    eventually(lambda: world.statuses(scope) == wanted, what="two run, the others wait")
    world.rule(scope, 2, disabled=True)
    until(left, "a disabled rule bounds nothing")
    world.rule(f"{scope}/*", 1)
    world.rule(scope, 2)
    end(len(gates))
    world.wait_all(list(gates))
    keyed = world.send_many(3, scope, "Flow/hold", f"{scope}-keyed", "k")
    until(1, "the rule for limit keys holds")
    world.no_rule(f"{scope}/*")
    until(2, "the one of the scope holds")
    world.no_rule(scope)
    until(3, "no rule is left")
    world.open(f"{scope}-keyed")
    world.wait_all(keyed)


def test_an_object_keeps_its_order_within_a_limit(world: World) -> None:
    scope = world.name
    world.rule(scope, 3)
    sent = [
        world.send(scope, f"FlowObject/{scope}-{number % 4}/work", 20, idempotency_key=str(number))
        for number in range(24)
    ]
    world.wait_all(sent)
    running = world.running()
    assert running.most[scope] <= 3
    for number in range(4):
        own = sent[number::4]
        assert [each for each in running.ended if each in own] == own, "an object works in the order of arrival"


def test_the_waiting_are_cancelled_and_killed(world: World) -> None:
    scope = world.name
    world.rule(scope, 1)
    holder = world.send(scope, "Flow/hold", f"{scope}-go")
    world.until(lambda running: len(running.now[scope]) == 1, what="the first one runs")
    waiting = [world.send(scope, "Flow/work", 10) for _ in range(3)]
    eventually(lambda: world.statuses(scope) == {"running": 1, "pending": 3}, what="three wait")
    for invocation, verb in zip(waiting, ("cancel", "kill"), strict=False):
        status, _ = request("PATCH", f"{world.admin}/invocations/{invocation}/{verb}")
        assert status in (200, 202)
        # Nothing is kept of what never ran.
        assert world.attach(invocation)[0] == 404
    # Killed while it runs, it leaves its place as well.
    status, _ = request("PATCH", f"{world.admin}/invocations/{holder}/kill")
    assert status == 200
    world.wait_all(waiting[2:])
    world.open(f"{scope}-go")


def test_a_restarted_and_a_delayed_one_stay_in_their_scope(world: World) -> None:
    scope = world.name
    first = world.send(scope, "Flow/work", 1, "a/b")
    world.wait_all([first])
    world.rule(f"{scope}/a", 1)
    holder = world.send(scope, "Flow/hold", f"{scope}-go", "a")
    world.until(lambda running: len(running.now[f"{scope}/a"]) == 1, what="one runs")
    status, answer = request("PATCH", f"{world.admin}/invocations/{first}/restart-as-new")
    assert status == 200, answer
    delayed = world.send(scope, "Flow/work?delay=300ms", 1, "a/b")
    (row,) = world.rows(f"SELECT scope, limit_key FROM sys_invocation WHERE id = '{answer['new_invocation_id']}'")
    assert row == {"scope": scope, "limit_key": "a/b"}
    # The oracle calls it scheduled until it runs, though its time has come.
    waiting = {"pending": 2} if world.node else {"pending": 1, "scheduled": 1}
    expected = {"completed": 1, "running": 1} | waiting
    eventually(lambda: world.statuses(scope) == expected, what="both wait for their place")
    world.open(f"{scope}-go")
    world.wait_all([holder, answer["new_invocation_id"], delayed])
    assert world.running().most[f"{scope}/a"] == 1


def test_few_of_one_limit_key_do_not_wait_behind_many_of_another(world: World) -> None:
    scope = world.name
    world.rule(scope, 4)
    many = world.send_many(1000 if world.node else 300, scope, "Flow/work", 5, "many")
    few = world.send_many(10, scope, "Flow/work", 5, "few")
    world.wait_all([*many, *few], deadline_s=120)
    running = world.running()
    order = [each for each in running.ended if each in {*many, *few}]
    last = max(order.index(each) for each in few)
    between = last - min(order.index(each) for each in few)
    assert between < 60, f"the last of the few was number {last}, {between} after the first of them"
    assert running.most[scope] <= 4
