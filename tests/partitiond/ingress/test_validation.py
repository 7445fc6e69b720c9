"""Which inputs a handler takes."""

from __future__ import annotations

import pytest

from partitiond.ingress.errors import IngressError
from partitiond.ingress.validation import check_input
from shared.catalog.services import InputRules

JSON = InputRules(content_type="application/json")
MUST = InputRules(required=True, content_type="application/json")
NONE = InputRules(content_type=None)
ANY = InputRules(content_type="*/*")
TEXT = InputRules(content_type="text/*")
SCHEMA = InputRules(content_type="application/json", json_schema="{}")
SCHEMA_MUST = InputRules(required=True, content_type="*/*", json_schema="true")

TAKEN = [
    (JSON, "application/json", b"1"),
    (JSON, "application/json; charset=utf-8", b"1"),
    (JSON, "application/json ;a=b", b"1"),
    (JSON, "application/json", b"{not json"),
    (JSON, None, b""),
    (JSON, "application/json", b""),
    (MUST, "application/json", b""),
    (ANY, "a/b", b""),
    (SCHEMA, "application/json", b"1"),
    (SCHEMA, None, b""),
    (MUST, "application/json", b"1"),
    (NONE, None, b""),
    (ANY, "a/b", b"1"),
    (ANY, "garbage", b"1"),
    (ANY, None, b""),
    (TEXT, "text/html", b"1"),
    (TEXT, "text/html;a=b", b"1"),
    (TEXT, "text/", b"1"),
]

REFUSED = [
    (JSON, None, b"1", "Empty content-type"),
    (SCHEMA, "application/json", b"", "Empty body not allowed"),
    (SCHEMA_MUST, "a/b", b"", "Empty body not allowed"),
    (JSON, "a/b", b"", "Content-type 'a/b' does not match 'application/json'"),
    (JSON, "text/plain", b"1", "Content-type 'text/plain' does not match 'application/json'"),
    (JSON, "Application/JSON", b"1", "Content-type 'Application/JSON' does not match 'application/json'"),
    (JSON, "*/*", b"1", "Content-type '*/*' does not match 'application/json'"),
    (JSON, "", b"1", "Content-type '' does not match 'application/json'"),
    (MUST, None, b"", "Empty content-type"),
    (ANY, None, b"1", "Empty content-type"),
    (TEXT, "text", b"1", "Content-type 'text' does not match 'text/*'"),
    (TEXT, "textx/html", b"1", "Content-type 'textx/html' does not match 'text/*'"),
    (NONE, None, b"1", "Expected body and content-type to be empty, but wasn't with content-type 'None'"),
    (NONE, "a/b", b"", "Expected body and content-type to be empty, but wasn't with content-type 'Some(\"a/b\")'"),
]


@pytest.mark.parametrize(("rules", "content_type", "body"), TAKEN)
def test_input_is_taken(rules: InputRules, content_type: str | None, body: bytes) -> None:
    check_input(rules, content_type, body)


@pytest.mark.parametrize(("rules", "content_type", "body", "reason"), REFUSED)
def test_input_is_refused(rules: InputRules, content_type: str | None, body: bytes, reason: str) -> None:
    with pytest.raises(IngressError) as caught:
        check_input(rules, content_type, body)
    assert (caught.value.status, caught.value.message) == (400, f"input validation error: {reason}")
