"""Events beside the journals, as the oracle writes them."""

from __future__ import annotations

import pytest

from shared.ids import encode_invocation_id
from tests.fakes.partition_store import EXAMPLES, T0
from tests.sqld.node import Node

pytestmark = pytest.mark.processes

_FAILURE = (
    '"error_code":500,"error_message":"boom","error_stacktrace":"at line 1","restate_doc_error_code":"RT0007",'
    '"related_command_index":2,"related_command_name":"step","related_command_type":"Run"}'
)


def test_events_of_an_invocation_in_order(examples: Node) -> None:
    rows = examples.rows(
        "SELECT after_journal_entry_index AS after, event_type, event_json, to_unixtime(appended_at) AS at "
        f"FROM sys_journal_events WHERE id = '{encode_invocation_id(EXAMPLES['paused'])}' ORDER BY appended_at"
    )
    broken = '"error_code":500,"error_message":"broken","restate_doc_error_code":"RT0012"}'
    assert [(row["after"], row["event_type"], row["event_json"]) for row in rows] == [
        (0, "TransientError", '{"ty":"TransientError",' + broken),
        (0, "Paused", '{"ty":"Paused","last_failure":{' + _FAILURE + "}"),
        (0, "Paused", '{"ty":"Paused"}'),
    ]
    assert {row["at"] for row in rows} == {T0 // 1000}


def test_events_of_all(examples: Node) -> None:
    rows = examples.rows("SELECT id, event_json FROM sys_journal_events WHERE event_type = 'TransientError'")
    assert len(rows) == 2
    assert '{"ty":"TransientError",' + _FAILURE in [row["event_json"] for row in rows]
