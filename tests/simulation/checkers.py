"""What must hold, a function for each property. Each says in a sentence what is broken, or returns None.

They know nothing of the simulation but what they are given, so that a unit test can plant a fault before each.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from partitiond.machine import invariants, wakers
from shared.storage import keys
from tests.simulation.linearizable import Call, explain, register_step

__all__ = [
    "PROPERTIES",
    "BrokenError",
    "each_reply_once",
    "every_record_agreed",
    "fifo_of_sends",
    "forgotten",
    "machine_invariants",
    "nobody_sleeps_for_ever",
    "nothing_left_over",
    "objects_linearizable",
    "on_a_quorum",
    "one_result_for_all",
    "reply_is_what_is_stored",
    "sent_once",
    "steps_stored_once",
    "timer_not_early",
    "trim_is_covered",
]

#: Name -> what it says. A finding names one of them.
PROPERTIES = {
    "log.agreement": "all nodes have the same batch at an LSN, and show their batches in order",
    "log.quorum": "what is shown is durable on a quorum",
    "log.trim": "what is trimmed is in a flushed checkpoint of every replica",
    "replica.digest": "every replica has the store that a replay of the log gives, at each LSN",
    "machine.invariants": "rows agree with each other, permits and queues too",
    "machine.wakers": "whatever sleeps can be woken",
    "timer.early": "nothing that was to come later comes before its time",
    "object.linearizable": "calls of an object happened one after another",
    "send.once": "what was sent was done once",
    "send.fifo": "an object saw what one sender sent in the order of sending",
    "step.once": "a step whose result was stored is not executed again, but by a leader that was replaced unawares",
    "reply.once": "a request has one reply",
    "reply.lost": "every request is answered, and may be asked for afterwards with the same result",
    "result.one": "all who ask for one invocation hear the same",
    "end.leftovers": "when all is done, nobody holds or waits for anything, and what is not to be kept is gone",
    "program": "no program fails by itself",
}


class BrokenError(AssertionError):
    """A property does not hold."""

    def __init__(self, name: str, text: str) -> None:
        assert name in PROPERTIES
        super().__init__(f"{name}: {text}")
        self.property = name


def every_record_agreed(known: Mapping[int, bytes], lsn: int, payload: bytes) -> str | None:
    """`known`: all batches that any node has shown. A node shows this one."""
    if lsn in known:
        return None if known[lsn] == payload else f"LSN {lsn} is another batch on another node"
    newest = next(reversed(known), 0)
    return f"LSN {lsn} was not there when LSN {newest} was shown" if lsn < newest else None


def on_a_quorum(copies: Sequence[bytes | None], payload: bytes) -> str | None:
    """`copies`: what each node's disk has at the LSN, as after a power loss now."""
    count = sum(copy == payload for copy in copies)
    return None if 2 * count > len(copies) else f"it is durable on {count} of {len(copies)} nodes"


def trim_is_covered(lsn: int, durable: Mapping[str, int]) -> str | None:
    """`durable`: node -> LSN of its flushed checkpoint."""
    behind = {node: at for node, at in durable.items() if at < lsn}
    return f"trimmed up to {lsn}, but checkpoints are at {behind}" if behind else None


def same_digest(expected: Mapping[int, int], lsn: int, digest: int) -> str | None:
    """`expected`: LSN -> digest of a replay of the log."""
    if lsn not in expected:
        return f"a replica is at LSN {lsn}, which the log does not have"
    return None if expected[lsn] == digest else f"the store at LSN {lsn} differs from a replay of the log"


def machine_invariants(store: Any) -> str | None:
    """Of one partition."""
    return "\n".join(invariants.check(store)) or None


def nobody_sleeps_for_ever(stores: Iterable[Any]) -> str | None:
    """Of all partitions, at one moment."""
    return "\n".join(wakers.check(stores)) or None


def timer_not_early(due_ms: int, clocks_ms: Iterable[int]) -> str | None:
    """`clocks_ms`: the latest that the wall clock of each node has shown until now."""
    latest = max(clocks_ms)
    return f"due at {due_ms}, and the clocks have only reached {latest}" if latest < due_ms else None


def objects_linearizable(calls: Mapping[str, Sequence[Call]], initial: int = 0) -> str | None:
    """`calls` of registers, by key."""
    for key, history in calls.items():
        found = explain(history, register_step, initial)
        if found is not None:
            return f"{key}: {found}"
    return None


def sent_once(sent: Iterable[str], seen: Iterable[str], doubtful: Iterable[str] = ()) -> str | None:
    """`doubtful`: sent by whom it is not known that it came to it."""
    counted = Counter(seen)
    twice = sorted(item for item, count in counted.items() if count > 1)
    lost = sorted(set(sent) - set(doubtful) - counted.keys())
    strange = sorted(counted.keys() - set(sent))
    if twice or lost or strange:
        return f"seen twice: {twice[:5]}; lost: {lost[:5]}; nobody sent: {strange[:5]}"
    return None


def fifo_of_sends(order: Iterable[str]) -> str | None:
    """Items are `sender/number`."""
    last: dict[str, int] = {}
    for item in order:
        sender, _, number = item.rpartition("/")
        if int(number) <= last.get(sender, -1):
            return f"{item} came behind {sender}/{last[sender]}"
        last[sender] = int(number)
    return None


def steps_stored_once(executed: Iterable[tuple[str, str]], stored: Mapping[str, str]) -> str | None:
    """`executed`: (step, token) in order; `stored`: step -> the token in the result that a client got."""
    last = dict(executed)
    for step, token in stored.items():
        if last.get(step) != token:
            return f"step {step} has result {token}, and was executed again as {last.get(step)}"
    return None


def each_reply_once(replies: Mapping[Any, int]) -> str | None:
    """`replies`: request -> how many replies it got."""
    twice = [request for request, count in replies.items() if count > 1]
    return f"requests with more than one reply: {twice[:5]}" if twice else None


def reply_is_what_is_stored(told: Any, stored: Any) -> str | None:
    """What a client was told, and what it hears when it asks for the same invocation later."""
    return None if told == stored else f"it was told {told!r}, and asked again it hears {stored!r}"


def one_result_for_all(heard: Mapping[str, Sequence[Any]]) -> str | None:
    """`heard`: invocation -> the results that anybody was told."""
    found = defaultdict(list)
    for name, results in heard.items():
        for result in results:
            if result not in found[name]:
                found[name].append(result)
    for name, results in found.items():
        if len(results) > 1:
            return f"{name} had the results {results}"
    return None


def forgotten(invocations: Iterable[bytes], row_of: Callable[[bytes], Any]) -> str | None:
    """What is kept no longer, or was purged. `row_of`: what is stored of an invocation."""
    kept = sorted(invocation.hex() for invocation in invocations if row_of(invocation) is not None)
    return f"kept for longer than asked: {kept[:5]}" if kept else None


def nothing_left_over(store: Any) -> str | None:
    """Once all has ended: no lock, inbox, permit, timer or message."""
    for what, first, end in (
        ("locks and inboxes", keys.LOCK, keys.PROMISE),
        ("timers and messages", keys.TIMER, keys.DEDUP),
        ("changes of state", keys.MUTATION, keys.prefix_end(keys.MUTATION)),
        ("scoped locks and inboxes", keys.SCOPED_LOCK, keys.SCOPED_PROMISE),
        ("counters and queues", keys.COUNTER, keys.DROPPED),
    ):
        rows = [key for key, _ in store.scan(first, end)]
        if rows:
            return f"{len(rows)} rows of {what} are left, such as {rows[0].hex()}"
    return None
