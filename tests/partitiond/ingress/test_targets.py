"""JSON bodies of attach, output and lookup."""

from __future__ import annotations

import json
from typing import Any

import pytest

from partitiond.ingress.errors import IngressError
from partitiond.ingress.names import idempotent_invocation_id, workflow_invocation_id
from partitiond.ingress.targets import parse_target
from shared.ids import encode_invocation_id
from tests.partitiond.ingress.catalogs import directory

DIRECTORY = directory()
ID = bytes(range(24))


def idempotent(**fields: Any) -> bytes:
    return json.dumps({"target": "idempotentInvocation", "idempotencyKey": "i"} | fields).encode()


def workflow(**fields: Any) -> bytes:
    return json.dumps({"target": "workflow", "workflowKey": "k"} | fields).encode()


def invocation(text: str) -> bytes:
    return json.dumps({"target": "invocation", "invocationId": text}).encode()


@pytest.mark.parametrize(
    ("body", "invocation_id", "handler"),
    [
        (invocation(encode_invocation_id(ID)), ID, None),
        (workflow(workflowName="Signup"), workflow_invocation_id("Signup", "k"), "run"),
        (workflow(workflowName="Nope", scope=None, more=1), workflow_invocation_id("Nope", "k"), None),
        (
            idempotent(service="Greeter", handler="greet"),
            idempotent_invocation_id("Greeter", None, "greet", "i"),
            "greet",
        ),
        (
            idempotent(service="Counter", key="a", handler="add"),
            idempotent_invocation_id("Counter", "a", "add", "i"),
            "add",
        ),
        (workflow(workflowName="Signup", scope="s"), workflow_invocation_id("Signup", "k", "s"), "run"),
        (
            idempotent(service="Counter", key="a", handler="add", scope="s"),
            idempotent_invocation_id("Counter", "a", "add", "i", "s"),
            "add",
        ),
        (idempotent(service="Nope", handler="x"), idempotent_invocation_id("Nope", None, "x", "i"), None),
    ],
)
def test_target_has_its_id(body: bytes, invocation_id: bytes, handler: str | None) -> None:
    found, entry = parse_target("lookup", body, DIRECTORY)
    assert found == invocation_id
    assert (entry.handler if entry else None) == handler


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'{"target":"nope"}', b'{"target":"workflow"}'])
def test_unreadable_body_is_answered_as_clients_know_it(body: bytes) -> None:
    for action, what in (("lookup", "lookup"), ("attach", "request"), ("output", "request")):
        with pytest.raises(IngressError) as caught:
            parse_target(action, body, DIRECTORY)
        assert caught.value.status == 500
        assert caught.value.message.startswith(f"cannot read body: invalid {what} body: ")


@pytest.mark.parametrize(
    "body", [invocation("bad"), workflow(workflowName="Signup", scope="a b"), workflow(workflowName="x", scope="")]
)
def test_bad_target_is_refused(body: bytes) -> None:
    with pytest.raises(IngressError) as caught:
        parse_target("attach", body, DIRECTORY)
    assert caught.value.status == 400
