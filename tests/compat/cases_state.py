"""Cases of an object's state. Pure: no I/O."""

from __future__ import annotations

from tests.compat.case import PY, Case, call, get, send, until
from tests.compat.modes import BOTH_WAYS

__all__ = ["CASES"]

_KEY = "Box/{key}"


def _both(title: str, *steps: str, body: object = None) -> list[Case]:
    """The same handlers of the eager and of the lazy object."""
    return [
        Case(
            f"{title}, {how}",
            tuple(call(f"{name}/{{key}}/{step}", *([] if body is None else [body])) for step in steps),
        )
        for name, how in (("Box", "sent along"), ("Lazy", "read on demand"))
    ]


CASES: tuple[Case, ...] = (
    *_both("set, get, keys, clear and clear all", "tour", "tour", "names"),
    *_both("state across a suspension", "across_a_sleep", "across_a_sleep"),
    *_both("state by each serde", "serdes"),
    *_both("empty values and names", "nothing_much", "names"),
    *_both("a state of 200 kB", "large", body=200_000),
    Case(
        "put, look, take off and wipe by four handlers",
        (
            call(f"{_KEY}/put", ["x", {"deep": [1, 2]}]),
            call(f"{_KEY}/put", ["y", None], name="second"),
            call(f"{_KEY}/look", "x", name="third"),
            call(f"{_KEY}/take_off", "x", name="fourth"),
            call(f"{_KEY}/look", "x", name="fifth"),
            call(f"{_KEY}/wipe", name="sixth"),
            call(f"{_KEY}/names", name="seventh"),
        ),
    ),
    Case(
        "lazy: written by one invocation, read by the next",
        (
            call("Lazy/{key}/put", ["x", 1]),
            call("Lazy/{key}/look", "x", name="second"),
            call("Lazy/{key}/look", "none", name="third"),
            call("Lazy/{key}/names", name="fourth"),
        ),
    ),
    Case(
        "a key that is no plain text",
        (call("Box/%C3%A4%20b%2Fc%3F{key}/put", ["x", 1]), get("/{service:Box}/%C3%A4%20b%2Fc%3F{key}/names")),
    ),
    Case(
        "exclusive handlers of one key run one after the other",
        (call(f"{_KEY}/append", "x", together=5),),
        ignore=frozenset({"journal", "state"}),
        modes=BOTH_WAYS,
    ),
    Case(
        "sends to one key run in the order of sending",
        (
            *(send(f"{_KEY}/append", number, name=f"n{number}") for number in range(4)),
            call(f"{_KEY}/append", "last"),
            until("completed", "n3"),
        ),
        ignore=frozenset({"inboxed_at"}),
    ),
    Case("a shared handler beside the exclusive one of its key", (call(f"{_KEY}/calls_itself_shared"),)),
    Case("names of state entries", (call(f"{_KEY}/entry_names"),), sdks=(PY,)),
    Case("names of state entries, read on demand", (call("Lazy/{key}/entry_names_on_demand"),), sdks=(PY,)),
    Case("state of models and dataclasses", (call(f"{_KEY}/types"),), sdks=(PY,)),
    Case("a model for a body", (call(f"{_KEY}/typed", {"name": "cat", "legs": 4}),), sdks=(PY,)),
    Case("a body that is not the model", (call(f"{_KEY}/typed", {"name": "cat"}),), sdks=(PY,)),
)
