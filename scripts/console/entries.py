"""A journal entry in a few words, out of its JSON. Pure: no I/O."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

__all__ = ["entry_words", "event_words", "target_words"]


def entry_words(
    entry_type: str, lite_json: str | None, moment: Callable[[int], str] = lambda at_ms: f"{at_ms} ms"
) -> tuple[str, str]:
    """(what it is, what it says): `Call`, `Counter/apples/add → inv_1…`. `lite_json`: `entry_lite_json`. `moment`: how
    a time is told."""
    kind = entry_type.removeprefix("Command: ")
    if lite_json is None:
        return kind, "its bytes cannot be read"
    shape = json.loads(lite_json)
    if "Command" in shape:
        fields: dict[str, Any] = next(iter(shape["Command"].values())) or {}
        return kind, _command(fields, moment)
    return entry_type.replace("Notification: ", "← "), _notification(shape.get("Notification", {}))


def _command(fields: dict[str, Any], moment: Callable[[int], str]) -> str:
    request = fields.get("request", fields)
    words = []
    if fields.get("name"):
        words.append(f"“{fields['name']}”")
    if "invocation_target" in request:
        words.append(target_words(request["invocation_target"]))
    if "invocation_id" in request:
        words.append(f"→ {request['invocation_id']}")
    if "target_invocation_id" in fields:
        words.append(f"→ {fields['target_invocation_id']}")
    words += [f"{fields[name]}" for name in ("key", "id") if isinstance(fields.get(name), str)]
    if "wake_up_time" in fields:
        words.append(f"until {moment(int(fields['wake_up_time']))}")
    if "result" in fields and isinstance(fields["result"], str) and fields["result"] != "Success":
        words.append(fields["result"].lower())
    if "completion_id" in fields or "result_completion_id" in fields:
        words.append(f"#{fields.get('result_completion_id', fields.get('completion_id'))}")
    return " ".join(words)


def _notification(fields: dict[str, Any]) -> str:
    words = []
    for kind, value in (fields.get("id") or {}).items():
        words.append({"CompletionId": f"#{value}", "SignalIndex": f"signal {value}"}.get(kind, str(value)))
    result = fields.get("result")
    if isinstance(result, str) and result not in ("Success", "Void"):
        words.append(result.lower())
    return " ".join(words)


def target_words(target: dict[str, Any]) -> str:
    """`{"VirtualObject": {"name", "key", "handler"}}` -> `name/key/handler`."""
    fields = next(iter(target.values()))
    return "/".join(str(fields[name]) for name in ("name", "key", "handler") if fields.get(name) is not None)


def event_words(event_json: str | None) -> tuple[str, str]:
    """(what happened, details): `attempt failed`, `[500 Internal] no such city`."""
    if event_json is None:
        return "unknown event", ""
    event = json.loads(event_json)
    kind = event.get("ty", "Unknown")
    if kind == "TransientError":
        return "attempt failed", _failure(event)
    if kind == "Paused":
        failure = event.get("last_failure")
        return "paused", f"after {_failure(failure)}" if failure else ""
    return str(kind).lower(), ""


def _failure(event: dict[str, Any]) -> str:
    code = event.get("restate_doc_error_code") or event.get("error_code")
    where = " ".join(
        str(event[name])
        for name in ("related_command_type", "related_command_name", "related_command_index")
        if event.get(name) is not None
    )
    text = f"[{code}] {event.get('error_message', '')}"
    return f"{text} (at {where})" if where else text
