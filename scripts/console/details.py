"""One invocation: its facts, its timeline, its journal. Owns: nothing; asks with SQL."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from scripts.console.admin import Admin
from scripts.console.entries import entry_words, event_words
from scripts.console.failures import RefusedError, UsageError
from scripts.console.filters import literal
from scripts.console.grid import Cell, Column
from scripts.console.screen import Screen
from scripts.console.when import ago, local, milliseconds, rfc3339, span

__all__ = ["STYLES", "Details", "note_of", "read_details", "show_details"]

#: How a status looks.
STYLES = {
    "running": "good",
    "ready": "good",
    "completed": "dim",
    "backing-off": "bad",
    "paused": "bad",
    "suspended": "note",
}
_MOMENTS = (
    ("created_at", "created"),
    ("scheduled_start_at", "is to begin"),
    ("inboxed_at", "waits for its turn"),
    ("running_at", "begun"),
    ("completed_at", "completed"),
)
_JSON_COLUMNS = ("entry_json", "entry_lite_json", "event_json", "suspended_waiting_future_json")
#: Journal entries that people see, from either end.
_HEAD, _TAIL = 10, 40
_JOURNAL_COLUMNS = "index, entry_type, name, appended_at, raw_length, entry_lite_json"


class Details:
    """What is known of one."""

    def __init__(self, row: dict[str, Any], journal: list[dict[str, Any]], events: list[dict[str, Any]]) -> None:
        self.row = row
        self.journal = journal
        self.events = events

    def as_json(self) -> dict[str, Any]:
        """Columns that hold JSON are decoded."""
        return {
            "invocation": _decoded(self.row),
            "journal": list(map(_decoded, self.journal)),
            "events": list(map(_decoded, self.events)),
        }


def _decoded(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: json.loads(value) if name in _JSON_COLUMNS and isinstance(value, str) else value
        for name, value in row.items()
    }


def read_details(admin: Admin, invocation_id: str) -> Details:
    """Raises RefusedError when nothing is known of it, UsageError for what is no id."""
    if not invocation_id.startswith("inv_"):
        raise UsageError(f"{invocation_id!r} is no invocation id: it begins with inv_; see: everlog invocations")
    one = f"where id = {literal(invocation_id)}"
    rows = admin.rows(f"select * from sys_invocation {one}")
    if not rows:
        raise RefusedError(404, f"nothing is known of {invocation_id}: it never was, or its retention is over")
    journal = admin.rows(f"select {_JOURNAL_COLUMNS} from sys_journal {one} order by index")
    events = admin.rows(
        f"select appended_at, after_journal_entry_index, event_type, event_json from sys_journal_events {one} "
        "order by appended_at"
    )
    return Details(rows[0], journal, events)


def note_of(row: dict[str, Any]) -> str:
    """What is worth knowing of it in a list: why it does not go on, or how it ended."""
    words = []
    if row.get("retry_count", 0) > 1 and row["status"] != "completed":
        words.append(f"attempt {row['retry_count']}")
    if row["status"] in ("backing-off", "ready") and row.get("next_retry_at"):
        words.append(f"next {ago(row['next_retry_at'])}")
    if row["status"] == "scheduled" and row.get("scheduled_start_at"):
        words.append(f"begins {ago(row['scheduled_start_at'])}")
    failure = row.get("completion_failure") if row["status"] == "completed" else row.get("last_failure")
    if failure:
        words.append(failure)
    return ", ".join(words)


def show_details(screen: Screen, found: Details) -> None:
    row = found.row
    screen.title(row["id"])
    screen.facts(_facts(row))
    print()
    screen.title("timeline")
    began = milliseconds(row["created_at"]) if row.get("created_at") else 0
    rows = [(local_time(at), span(began, at), what, text) for at, what, text in _timeline(found)]
    screen.table(
        (Column("TIME", whole=True), Column("AFTER", whole=True), Column("WHAT", whole=True), Column("")), rows
    )
    print()
    screen.title(f"journal ({len(found.journal)} {'entry' if len(found.journal) == 1 else 'entries'})")
    if found.journal:
        _show_journal(screen, found.journal, began)
    elif row["status"] == "completed":
        print("  it was purged, or never kept")


def _moment(at_ms: int) -> str:
    return local(rfc3339(at_ms))


def local_time(at_ms: int) -> str:
    """Without the date's redundancy: the facts have the date."""
    return local(rfc3339(at_ms)).partition(" (")[0].partition(" ")[2]


def _facts(row: dict[str, Any]) -> list[tuple[str, Cell]]:
    status = row["status"]
    style = STYLES.get(status, "")
    outcome = row.get("completion_result")
    if outcome == "failure":
        style = "bad"
    by = row.get("invoked_by_target") or row.get("invoked_by") or ""
    by_id = f" ({row['invoked_by_id']})" if row.get("invoked_by_id") else ""
    retry = local(row["next_retry_at"]) if status != "completed" and row.get("next_retry_at") else ""
    deployment = row.get("pinned_deployment_id") or row.get("last_attempt_deployment_id") or ""
    protocol = row.get("pinned_service_protocol_version")
    return [
        ("target", row["target"]),
        ("kind", str(row.get("target_service_ty") or "").replace("_", " ")),
        ("status", (f"{status}: {outcome}" if outcome else status, style)),
        ("failure", (row.get("completion_failure") or "", "bad")),
        ("attempts", str(row["retry_count"]) if row.get("retry_count", 0) > 1 else ""),
        ("last failure", (row.get("last_failure") or "", "bad") if status != "completed" else ""),
        ("next attempt", retry),
        ("created", local(row.get("created_at"))),
        ("begins", local(row.get("scheduled_start_at")) if status == "scheduled" else ""),
        ("called by", f"{by}{by_id}"),
        ("restarted from", row.get("restarted_from") or ""),
        ("idempotency key", row.get("idempotency_key") or ""),
        ("scope", "/".join(row[name] for name in ("scope", "limit_key") if row.get(name))),
        ("deployment", f"{deployment}, protocol {protocol}" if protocol and deployment else deployment),
        ("waits for", row.get("suspended_waiting_future_json") or ""),
        ("trace", row.get("trace_id") or ""),
    ]


def _timeline(found: Details) -> list[tuple[int, str, str]]:
    """(time, what, details), in the order of time."""
    moments = [(milliseconds(found.row[column]), what, "") for column, what in _MOMENTS if found.row.get(column)]
    moments += [
        (milliseconds(event["appended_at"]), *event_words(event.get("event_json")))
        for event in found.events
        if event.get("appended_at")
    ]
    return sorted(moments, key=lambda moment: moment[0])


def _show_journal(screen: Screen, journal: Sequence[dict[str, Any]], began: int) -> None:
    left_out = len(journal) - _HEAD - _TAIL
    shown = journal if left_out <= 0 else [*journal[:_HEAD], {}, *journal[-_TAIL:]]
    rows: list[list[Cell]] = []
    for entry in shown:
        if not entry:
            rows.append(["…", "", f"{left_out} entries", "all of them: --json"])
            continue
        kind, words = entry_words(entry.get("entry_type") or "", entry.get("entry_lite_json"), _moment)
        at = entry.get("appended_at")
        after = span(began, milliseconds(at)) if at else ""
        rows.append([str(entry["index"]), after, (kind, "dim" if kind.startswith("←") else "bold"), words])
    screen.table((Column("", right=True), Column("AFTER", whole=True), Column("ENTRY", whole=True), Column("")), rows)
