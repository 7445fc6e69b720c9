"""Calls of handlers at the ingress: from the words of a command to path, headers and body. Pure: no I/O."""

from __future__ import annotations

import base64
import json
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from scripts.console.failures import UsageError

__all__ = [
    "JSON",
    "Target",
    "as_json",
    "call_path",
    "check_json",
    "lookup_body",
    "parse_header",
    "parse_target",
    "shown_result",
]

JSON = "application/json"


class Target(NamedTuple):
    """A handler, of one key where the service has keys."""

    service: str
    key: str | None
    handler: str


def parse_target(text: str) -> Target:
    """`Greeter/greet`, `Counter/apples/add`; what is between the first and the last slash is the key."""
    service, slash, rest = text.partition("/")
    key, keyed, handler = rest.rpartition("/")
    if not service or not slash or not handler:
        raise UsageError(f"{text!r} names no handler: want SERVICE/HANDLER, or OBJECT/KEY/HANDLER")
    return Target(service, key if keyed else None, handler)


def call_path(
    target: Target, *, send: bool, delay: str | None = None, scope: str | None = None, limit_key: str | None = None
) -> str:
    """Of the request, with its parameters."""
    kind = "send" if send else "call"
    parts = ["restate", *(["scope", scope] if scope is not None else []), kind, target.service]
    parts += [*([] if target.key is None else [target.key]), target.handler]
    asked = {name: value for name, value in (("delay", delay), ("limit-key", limit_key)) if value is not None}
    return "/" + "/".join(quote(each, safe="") for each in parts) + (f"?{urlencode(asked)}" if asked else "")


def lookup_body(target: Target, *, idempotency_key: str | None, scope: str | None) -> dict[str, Any]:
    """Asks what a call is called; one without an idempotency key is a workflow's run."""
    scoped = {} if scope is None else {"scope": scope}
    if idempotency_key is None:
        return {"target": "workflow", "workflowName": target.service, "workflowKey": target.key or "", **scoped}
    keyed = {} if target.key is None else {"key": target.key}
    return {
        "target": "idempotentInvocation",
        "service": target.service,
        **keyed,
        "handler": target.handler,
        "idempotencyKey": idempotency_key,
        **scoped,
    }


def parse_header(text: str) -> tuple[str, str]:
    """`name: value`."""
    name, colon, value = text.partition(":")
    if not name.strip() or not colon:
        raise UsageError(f"{text!r} is no header: want 'NAME: VALUE'")
    return name.strip().lower(), value.strip()


def check_json(body: bytes) -> None:
    """Raises UsageError that says how it is meant."""
    try:
        json.loads(body)
    except UnicodeDecodeError as error:
        raise UsageError("the body is no JSON, it is not even text; send it as it is with --raw") from error
    except ValueError as error:
        text = body.decode(errors="replace").strip()
        short = text if len(text) <= 40 else text[:39] + "…"
        hint = f"""a text is quoted, as in '{json.dumps(short, ensure_ascii=False)}'; """ if _is_word(text) else ""
        raise UsageError(f"the body is no JSON ({error}): {hint}or send it as it is with --raw") from error


def _is_word(text: str) -> bool:
    return bool(text) and text[0] not in '{["'


def shown_result(body: bytes, content_type: str) -> str | None:
    """For a terminal: JSON and text as they are; None for what is neither."""
    kind = content_type.partition(";")[0].strip().lower()
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return None
    if kind.startswith("text/") or kind.endswith("json") or text.isprintable():
        return text
    return text if all(letter.isprintable() or letter in "\n\r\t" for letter in text) else None


def as_json(body: bytes, content_type: str) -> Any:
    """For scripts: the JSON that it is, else its text, else base64."""
    if not body:
        return None
    if content_type.partition(";")[0].strip().lower().endswith("json"):
        try:
            return json.loads(body)
        except ValueError:
            pass
    try:
        return body.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(body).decode()}
