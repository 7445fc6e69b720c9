"""What a handler's input may be: content type and body, as its discovery declared them. Pure: no I/O.

The body is never parsed: a JSON schema is documentation, and the SDK tells its caller what it cannot read.
"""

from __future__ import annotations

from partitiond.ingress.errors import IngressError
from shared.catalog.services import InputRules

__all__ = ["check_input"]


def check_input(rules: InputRules, content_type: str | None, body: bytes) -> None:
    """Raises IngressError (400) when the body or its content type is not what the handler declared."""
    wanted = rules.content_type
    if wanted is None:
        if body or content_type is not None:
            told = "None" if content_type is None else f'Some("{content_type}")'
            raise _refused(f"Expected body and content-type to be empty, but wasn't with content-type '{told}'")
        return
    if content_type is None:
        if body or rules.required:
            raise _refused("Empty content-type")
        return
    if not _matches(content_type, wanted):
        raise _refused(f"Content-type '{content_type}' does not match '{wanted}'")
    # Without a schema an empty body may mean something: clients of the SDK send one for a handler without a parameter.
    if not body and rules.json_schema is not None:
        raise _refused("Empty body not allowed")


def _matches(content_type: str, wanted: str) -> bool:
    if wanted in (content_type, "*/*"):
        return True
    media_type = content_type.partition(";")[0].strip()
    if wanted.endswith("/*"):
        return media_type.startswith(wanted[:-1])
    return media_type == wanted


def _refused(reason: str) -> IngressError:
    return IngressError(400, f"input validation error: {reason}")
