"""The prompt of `everlog step`: one command of the log at a time, and a look around in between.

The step that is shown is applied, and stored when the next one is asked for: `rows` and `show` tell what was before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from scripts.debug.actions import action_words
from scripts.debug.differing import Difference, row_changes
from scripts.debug.ports import FIRST_KEY, LAST_KEY
from scripts.debug.replaying import Replay, Step
from scripts.debug.rows import TABLES, decode_row, table_of
from shared.ids import decode_invocation_id
from shared.storage import keys
from shared.wal.plain import Json
from sqld.tables.command_words import command_words

__all__ = ["HELP", "Stepper"]

HELP = """\
next [N]            the next command, or the next N
run [LSN]           up to this LSN (included), or to the end, and show the last command
until INVOCATION    up to the next command that changes a row of it
show INVOCATION     its rows, as they are now
rows TABLE [TEXT]   rows of a table that have this text in them; tables: {tables}
where               how far it is
help                this list
quit                leave; so does the end of the input"""

_ROWS_SHOWN = 50
#: Changes with every batch: not worth a line.
_QUIET_FIELDS = frozenset({"applied_lsn", "time_ms", "seq"})


class Stepper:
    """Commands in, lines out. `time_text`: how times are shown."""

    def __init__(self, replay: Replay, end_lsn: int, time_text: Callable[[int], str]) -> None:
        self._replay = replay
        self._end_lsn = end_lsn
        self._time_text = time_text
        self._steps: Iterator[Step] = replay.steps(end_lsn)
        self._shown: Step | None = None

    def run_to(self, lsn: int) -> None:
        """Apply quietly up to `lsn`, before the first step."""
        for _ in self._replay.run(min(lsn, self._end_lsn)):
            pass

    def execute(self, line: str) -> list[str] | None:
        """One line of input; an empty one is `next`. None: leave."""
        verb, _, rest = line.strip().partition(" ")
        rest = rest.strip()
        if verb in ("quit", "q", "exit"):
            return None
        for names, act in (
            (("", "next", "n"), self._next),
            (("run", "r"), self._run),
            (("until", "u"), self._until),
            (("show", "s"), self._show),
            (("rows",), self._rows),
            (("where", "w"), self._where),
            (("help", "h", "?"), self._help),
        ):
            if verb in names:
                return act(rest)
        return [f"{verb!r} is no command here; `help` lists them"]

    def _next(self, rest: str) -> list[str]:
        count = int(rest) if rest.isdecimal() else 1
        lines: list[str] = []
        for _ in range(count):
            step = self._advance()
            if step is None:
                return [*lines, self._at_end()]
            lines += self._tell(step, {key: self._replay.store.get(key) for key in step.writes})
        return lines

    def _run(self, rest: str) -> list[str]:
        if rest and not rest.isdecimal():
            return [f"{rest!r} is no LSN"]
        return self._run_while(lambda step: bool(rest) and step.lsn >= int(rest) and step.number + 1 == step.count)

    def _until(self, rest: str) -> list[str]:
        try:
            invocation_id = decode_invocation_id(rest)
        except ValueError as error:
            return [f"{rest!r} is no invocation id: {error}"]
        return self._run_while(
            lambda step: any(invocation_id in key or value == invocation_id for key, value in step.writes.items())
        )

    def _run_while(self, enough: Callable[[Step], bool]) -> list[str]:
        last: tuple[Step, dict[bytes, bytes | None]] | None = None
        while (step := self._advance()) is not None:
            # Whether it is the last one is known when it is stored, and what was before it is gone.
            last = step, {key: self._replay.store.get(key) for key in step.writes}
            if enough(step):
                return self._tell(*last)
        return [*(self._tell(*last) if last is not None else []), self._at_end()]

    def _show(self, rest: str) -> list[str]:
        try:
            invocation_id = decode_invocation_id(rest)
        except ValueError as error:
            return [f"{rest!r} is no invocation id: {error}"]
        found = [
            _row_text(key, value)
            for kind in (keys.INVOCATION, keys.JOURNAL, keys.NOTIFICATION, keys.EVENT, keys.DROPPED)
            for key, value in self._scan(kind + invocation_id, keys.prefix_end(kind + invocation_id))
        ]
        return found or [f"there is no row of {rest} now"]

    def _rows(self, rest: str) -> list[str]:
        table, _, text = rest.partition(" ")
        if table not in TABLES:
            return [f"{table!r} is no table; there are {', '.join(TABLES)}"]
        found: list[str] = []
        for key, value in self._scan(FIRST_KEY, LAST_KEY):
            if table_of(key) == table and text in (line := _row_text(key, value)):
                if len(found) == _ROWS_SHOWN:
                    return [*found, "… and more; name a text to look for"]
                found.append(line)
        return found or ["there is none"]

    def _where(self, rest: str) -> list[str]:
        return [f"LSN {self._replay.applied_lsn} of {self._end_lsn}"]

    def _help(self, rest: str) -> list[str]:
        return HELP.format(tables=" ".join(TABLES)).splitlines()

    def _advance(self) -> Step | None:
        self._shown = next(self._steps, None)
        return self._shown

    def _scan(self, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Rows as they are after the step that is shown."""
        writes = self._shown.writes if self._shown is not None else {}
        rows = dict(self._replay.store.scan(start, end))
        for key, value in writes.items():
            if start <= key < end:
                if value is None:
                    rows.pop(key, None)
                else:
                    rows[key] = value
        return iter(sorted(rows.items()))

    def _at_end(self) -> str:
        return f"The log is replayed up to LSN {self._replay.applied_lsn}; there is nothing behind it."

    def _tell(self, step: Step, before: dict[bytes, bytes | None]) -> list[str]:
        batch = step.batch
        lines = [
            f"LSN {step.lsn}, command {step.number + 1} of {step.count}, {self._time_text(batch.at_ms)}, "
            f"epoch {batch.epoch or step.lsn} sequence {batch.seq}",
            f"  {command_words(step.command)}",
        ]
        if step.fenced:
            lines.append("  changes nothing: its leader was replaced, or it is out of sequence")
        for key in sorted(step.writes):
            lines += _change_lines(key, before[key], step.writes[key])
        return lines + [f"  > {action_words(action)}" for action in step.actions]


def _change_lines(key: bytes, before: bytes | None, after: bytes | None) -> list[str]:
    if before == after:
        return []
    if before is None:
        return [f"  + {_row_text(key, after)}"] if key != keys.META_KEY else []
    if after is None:
        return [f"  - {_row_text(key, before)}"]
    changes = [
        change
        for change in row_changes(Difference(key, before, after))
        if key != keys.META_KEY or change.path not in _QUIET_FIELDS
    ]
    if not changes:
        return []
    return [
        f"  ~ {decode_row(key, after).name}",
        *(f"      {change.path}: {_text(change.a)} -> {_text(change.b)}" for change in changes),
    ]


def _row_text(key: bytes, value: bytes | None) -> str:
    row = decode_row(key, value)
    shown = row.value
    if isinstance(shown, dict):
        shown = {name: item for name, item in shown.items() if item not in (None, [], "", False)}
    return f"{row.name}: {_text(shown)}" + (f" ({row.error})" if row.error is not None else "")


def _text(value: Json) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
