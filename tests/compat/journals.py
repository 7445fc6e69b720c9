"""What SQL says of the invocations of each run, in a form to compare. Owns: nothing."""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from typing import Any

from tests.compat.masks import masked, readable
from tests.compat.scene import Scene, Side

__all__ = ["Story", "Tables"]

_SETTLE_S = 12.0

_SAME_COLUMNS = (
    "target",
    "target_service_ty",
    "idempotency_key",
    "invoked_by",
    "invoked_by_service_name",
    "invoked_by_target",
    "pinned_service_protocol_version",
    "journal_size",
    "journal_commands_size",
    "completion_retention",
    "journal_retention",
    "suspended_waiting_for_completions",
    "suspended_waiting_for_signals",
    "suspended_waiting_future_json",
    "retry_count",
    "last_failure",
    "last_failure_error_code",
    "last_failure_related_command_index",
    "last_failure_related_command_name",
    "last_failure_related_command_type",
    "status",
    "completion_result",
    "completion_failure",
)
_TOLD_COLUMNS = (
    "invoked_by_id",
    "restarted_from",
    "pinned_deployment_id",
    "scheduled_at",
    "scheduled_start_at",
    "running_at",
    "completed_at",
    "next_retry_at",
)

#: Lines of text: one for a row, an entry, an event, a state.
Story = list[str]


class Tables:
    """All rows of one side, read once when everything has been done."""

    def __init__(self) -> None:
        self._invocations: dict[str, dict[str, Any]] = {}
        self._children: dict[str, list[str]] = defaultdict(list)
        self._journal: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self._events: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self._kept: dict[str, list[str]] = defaultdict(list)

    @classmethod
    async def read(cls, side: Side) -> Tables:
        """Waits until nothing runs any more but what is meant to."""
        await _settled(side)
        tables = cls()
        sqls = (
            "select * from sys_invocation",
            "select * from sys_journal",
            "select * from sys_journal_events",
            "select * from state",
            "select * from sys_promise",
        )
        invocations, journal, events, state, promises = await asyncio.gather(*(side.query(sql) for sql in sqls))
        for row in invocations:
            tables._invocations[row["id"]] = row
            for parent in (row.get("invoked_by_id"), row.get("restarted_from")):
                if parent:
                    tables._children[parent].append(row["id"])
        for row in sorted(journal, key=lambda row: int(row["index"])):
            tables._journal[row["id"]].append(row)
        # By what they say and not by their time: two of one millisecond may be listed either way.
        for row in sorted(events, key=_place_of_event):
            tables._events[row["id"]].append(row)
        for row in state:
            value = row.get("value_utf8", row.get("value"))
            line = f"state {row['service_name']} {row['key']!r} {str(value)[:200]!r} {row['value_length']}"
            tables._kept[row["service_key"]].append(masked(line))
        for row in promises:
            what = [row.get("completed"), row.get("completion_success_value"), row.get("completion_failure")]
            tables._kept[row["service_key"]].append(f"promise {row['service_name']} {row['key']!r} {what}")
        return tables

    def story(self, scene: Scene) -> Story:
        """Of all invocations that the run began, directly or not."""
        ids: list[str] = []
        todo = list(scene.roots)
        while todo:
            one = todo.pop()
            if one not in ids:
                ids.append(one)
                todo += self._children[one]
        stories = sorted("\n".join(self._one(each, scene.run.case.ignore)) for each in ids if each in self._invocations)
        lines = [line for story in stories for line in story.split("\n")]
        return lines + sorted(self._kept[scene.run.key])

    def _one(self, invocation: str, ignore: frozenset[str]) -> Story:
        row = self._invocations[invocation]
        lines = [f"INVOCATION {row['target']}"]
        told = (name for name in _SAME_COLUMNS if name in row and name not in ignore)
        lines += [f"  {name} = {_text(row[name])}" for name in told]
        lines.append(f"  has {[name for name in _TOLD_COLUMNS if name in row and name not in ignore]}")
        if "journal" not in ignore:
            lines += _entries(self._journal[invocation])
        if "events" not in ignore:
            lines += [
                f"  event {event['event_type']} after {event['after_journal_entry_index']} {_text(event['event_json'])}"
                for event in self._events[invocation]
                # A connection that a service closes is opened again, on whichever side that happens.
                if event["event_type"] != "Suspended" and "RT0010" not in event["event_json"]
            ]
        return lines


async def _settled(side: Side) -> None:
    deadline = time.monotonic() + _SETTLE_S
    # The handlers of Busy run until they are killed.
    sql = "select id from sys_invocation where status in ('running', 'ready') and target_service_name not like '%Busy'"
    while time.monotonic() < deadline:
        if not await side.query(sql):
            return
        await asyncio.sleep(0.1)


def _entries(rows: list[dict[str, Any]]) -> list[str]:
    """Commands in their order; notifications come when they come, so theirs is none."""
    assert [row["index"] for row in rows] == list(range(len(rows))), f"a gap in the journal: {rows}"
    commands, notifications = [], []
    for row in rows:
        line = f"  {row['entry_type']} name={row.get('name')!r} v{row.get('version')} {_text(row.get('entry_json'))}"
        (commands if row["entry_type"].startswith("Command") else notifications).append(line)
    return commands + sorted(notifications)


def _text(value: Any) -> str:
    plain = masked(readable(value))
    if isinstance(plain, str):
        # Of a failure, what it says; how a service's event loop came there is another matter at each attempt.
        return plain.split("\n")[0]
    return json.dumps(plain, sort_keys=True, ensure_ascii=False)


def _place_of_event(row: dict[str, Any]) -> tuple[int, str, str]:
    return int(row["after_journal_entry_index"]), row["event_type"], row["appended_at"]
