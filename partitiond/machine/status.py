"""Invocation statuses and the legal transitions, as a table. Pure: no I/O.

`TABLE` says what each step does to an invocation in each status; a test applies every pair. All that moves a status
goes through `move`: one that no step of the table makes is a bug of ours. The picture of it in ARCHITECTURE.md is
drawn from this table by `scripts/draw`.
"""

from __future__ import annotations

from enum import Enum, StrEnum

from shared.storage.values import InvocationRow, Status

__all__ = ["COLUMNS", "TABLE", "TRANSITIONS", "Also", "Cell", "Step", "move"]


class Step(StrEnum):
    """What an invocation is told. The value is how the picture names it."""

    INVOKE = "invoke"
    START_TIMER = "its time comes"
    TURN = "its object is free"
    ENTRY = "entry, run result, pin, failure"
    SUSPEND = "suspension"
    END = "end"
    GIVE_UP = "retries exhausted: kill"
    EXHAUSTED = "retries exhausted: pause"
    COMPLETION = "completion"
    SIGNAL = "signal"
    CANCEL_SIGNAL = "cancel signal"
    ATTACH = "attach"
    KILL_MESSAGE = "caller killed"
    CLEAN_UP = "clean-up"
    CANCEL = "cancel"
    KILL = "kill"
    PURGE = "purge"
    PURGE_JOURNAL = "purge-journal"
    PAUSE = "pause"
    RESUME = "resume"
    RESTART = "restart-as-new"


class Also(Enum):
    """What a step does beside moving the status."""

    #: Something is stored or answered; the status is what it was.
    STAYS = 1
    #: The row is removed.
    FORGOTTEN = 2


#: All that may come of a step; nothing listed: it is ignored, without a trace. A text: refused with this outcome.
Cell = tuple[Status | Also, ...] | str

#: The cells of a row. None: there is no such invocation.
COLUMNS: tuple[Status | None, ...] = (None, *Status)

_SCHEDULED, _INBOXED, _INVOKED, _SUSPENDED, _PAUSED, _COMPLETED = Status
_STAYS = (Also.STAYS,)
#: With a retention of 0 nothing is left of it.
_OVER = (_COMPLETED, Also.FORGOTTEN)
_EXPIRES = (Also.FORGOTTEN, Also.STAYS)
_WAKES = (_INVOKED, Also.STAYS)
_BEGINS = (_INBOXED, _INVOKED)
_STARTS = (_SCHEDULED, _INBOXED, _INVOKED)
#: A cancel signal that the last attempt did not begin with resumes it at once.
_EXHAUSTS = (_PAUSED, _INVOKED)
_RETRIES = (_SUSPENDED, _INVOKED, Also.STAYS)
_NONE, _EARLY, _GONE, _LIVE = "not_found", "not_begun", "completed", "not_completed"

# fmt: off
#: In the order of COLUMNS: none, scheduled, inboxed, invoked, suspended, paused, completed.
TABLE: dict[Step, tuple[Cell, ...]] = {
    Step.INVOKE:        (_STARTS, _STAYS,  _STAYS,      _STAYS,      _STAYS,      _STAYS,      _STAYS),
    Step.START_TIMER:   ((),      _BEGINS, _STAYS,      _STAYS,      _STAYS,      _STAYS,      ()),
    Step.TURN:          ((),      (),      (_INVOKED,), (),          (),          (),          ()),
    Step.ENTRY:         ((),      (),      (),          _STAYS,      (),          (),          ()),
    Step.SUSPEND:       ((),      (),      (),          _RETRIES,    (),          (),          ()),
    Step.END:           ((),      (),      (),          _OVER,       (),          (),          ()),
    Step.GIVE_UP:       ((),      (),      (),          _OVER,       (),          (),          ()),
    Step.EXHAUSTED:     ((),      (),      (),          _EXHAUSTS,   (),          (),          ()),
    Step.COMPLETION:    ((),      _STAYS,  _STAYS,      _STAYS,      _WAKES,      _STAYS,      ()),
    Step.SIGNAL:        ((),      _STAYS,  _STAYS,      _STAYS,      _WAKES,      _STAYS,      ()),
    Step.CANCEL_SIGNAL: ((),      _OVER,   _OVER,       _STAYS,      _WAKES,      (_INVOKED,), ()),
    Step.ATTACH:        (_STAYS,  _STAYS,  _STAYS,      _STAYS,      _STAYS,      _STAYS,      _STAYS),
    Step.KILL_MESSAGE:  ((),      _OVER,   _OVER,       _OVER,       _OVER,       _OVER,       ()),
    Step.CLEAN_UP:      ((),      (),      (),          (),          (),          (),          _EXPIRES),
    Step.CANCEL:        (_NONE,   _OVER,   _OVER,       _STAYS,      _WAKES,      (_INVOKED,), _GONE),
    Step.KILL:          (_NONE,   _OVER,   _OVER,       _OVER,       _OVER,       _OVER,       _GONE),
    Step.PURGE:         (_NONE,   _LIVE,   _LIVE,       _LIVE,       _LIVE,       _LIVE,       (Also.FORGOTTEN,)),
    Step.PURGE_JOURNAL: (_NONE,   _LIVE,   _LIVE,       _LIVE,       _LIVE,       _LIVE,       _STAYS),
    Step.PAUSE:         (_NONE, "not_running", "not_running", (_PAUSED,), (_PAUSED,), _STAYS,  "not_running"),
    Step.RESUME:        (_NONE,   _EARLY,  _EARLY,      _STAYS,      (_INVOKED,), (_INVOKED,), _GONE),
    Step.RESTART:       (_NONE,   _EARLY,  _EARLY,      _LIVE,       _LIVE,       _LIVE,       _STAYS),
}
# fmt: on


def _moves_from(column: int) -> frozenset[Status]:
    cells = [row[column] for row in TABLE.values()]
    return frozenset(to for cell in cells if not isinstance(cell, str) for to in cell if isinstance(to, Status))


#: from -> where to, by any step.
TRANSITIONS: dict[Status | None, frozenset[Status]] = {
    status: _moves_from(column) for column, status in enumerate(COLUMNS)
}


def move(row: InvocationRow, to: Status, now_ms: int) -> None:
    """Change the status. INVOKED to INVOKED is the start of a further attempt chain."""
    assert to in TRANSITIONS[row.status], f"illegal transition {row.status.name} -> {to.name} of {row.target}"
    row.status = to
    row.modified_at_ms = now_ms
    if to is not Status.SUSPENDED:
        row.waiting = None
    if to is not Status.PAUSED:
        row.paused_for = None
