"""Manifests as the oracle takes or refuses them (see tests/compat/admin for the same cases against it)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from metad.registry.answer import decode_answer
from metad.registry.errors import DiscoveryError, ManifestError
from metad.registry.manifest import Manifest, read_manifest
from shared.catalog.deployments import ProtocolMode
from shared.catalog.services import InputRules, OutputRules, RetryPolicy
from shared.wal.commands import HandlerKind
from tests.metad.harness import MANIFEST_TYPE, handler, manifest, service


def _read(value: Any, *, content_type: str | None = MANIFEST_TYPE) -> Manifest:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return read_manifest(decode_answer(content_type=content_type, body=body))


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_every_discovery_version_is_read(version: int) -> None:
    found = _read(manifest(service("S")), content_type=f"application/vnd.restate.endpointmanifest.v{version}+json")
    assert [each.name for each in found.services] == ["S"]
    assert found.protocol_mode is ProtocolMode.BIDI_STREAM


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "application/json",
        "application/vnd.restate.endpointmanifest.v5+json",
        MANIFEST_TYPE + "; charset=utf-8",
    ],
)
def test_other_content_types_are_refused(content_type: str | None) -> None:
    with pytest.raises(DiscoveryError) as caught:
        _read(manifest(service("S")), content_type=content_type)
    assert caught.value.code == "META0013"


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (b"", None),
        (b"{", None),
        (b"[]", None),
        (b"\xff", None),
        ({}, None),
        (manifest(service("S"), extra=1), None),
        (manifest({**service("S"), "extra": 1}), None),
        (manifest(service("S", handlers=[handler(extra=1)])), None),
        (manifest(service("S", handlers=[handler(input={"extra": 1})])), None),
        (manifest(service("S"), protocolMode="UDP"), None),
        (manifest(service("S"), protocolMode=None), "META0013"),
        (manifest(service("S"), lambdaCompression="gzip"), None),
        (manifest(service("S"), minProtocolVersion=0), None),
        (manifest(service("S"), minProtocolVersion="5"), None),
        (manifest(service("S"), maxProtocolVersion=2**31), "META0013"),
        (manifest(service("S"), minProtocolVersion=6, maxProtocolVersion=5), "META0013"),
        (manifest(service("S"), minProtocolVersion=1, maxProtocolVersion=4), "META0012"),
        (manifest(service("S"), minProtocolVersion=8, maxProtocolVersion=9), "META0012"),
        (manifest(service("S", ty="THING")), None),
        (manifest(service("S", handlers=[handler(ty="THING")])), None),
        (manifest({"name": "S", "ty": "SERVICE"}), None),
        (manifest(service("")), None),
        (manifest(service("9s")), None),
        (manifest(service("__s")), None),
        (manifest(service("a/b")), None),
        (manifest(service("a\n")), None),
        (manifest(service("S", handlers=[handler("a.b")])), None),
        (manifest(service("S", handlers=[handler("a-b")])), None),
        (manifest(service("S", inactivityTimeout=-1)), None),
        (manifest(service("S", inactivityTimeout=1.5)), None),
        (manifest(service("S", inactivityTimeout=2**64)), None),
        (manifest(service("S", inactivityTimeout="1s")), None),
        (manifest(service("S", metadata=None)), None),
        (manifest(service("S", metadata={"a": 1})), None),
        (manifest(service("S", retryPolicyMaxAttempts=-1)), None),
        (manifest(service("S", retryPolicyOnMaxAttempts="EXPLODE")), None),
        (manifest(service("S", retryPolicyExponentiationFactor="2")), None),
    ],
)
def test_answers_that_are_no_manifest(value: Any, code: str | None) -> None:
    with pytest.raises(DiscoveryError) as caught:
        _read(value)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "fields",
    [
        {"ty": "SERVICE", "handlers": [handler(ty="EXCLUSIVE")]},
        {"ty": "SERVICE", "handlers": [handler(ty="WORKFLOW")]},
        {"ty": "VIRTUAL_OBJECT", "handlers": [handler(ty="WORKFLOW")]},
        {"ty": "WORKFLOW", "handlers": [handler(ty="EXCLUSIVE")]},
        {"ty": "WORKFLOW", "handlers": [handler(ty="WORKFLOW", idempotencyRetention=5)]},
        {"ty": "WORKFLOW", "handlers": [handler(ty="SHARED", workflowCompletionRetention=5)]},
        {"ty": "SERVICE", "handlers": [handler(workflowCompletionRetention=5)]},
        {"ty": "SERVICE", "ingressPrivate": True, "handlers": [handler(ingressPrivate=False)]},
        {"ty": "SERVICE", "handlers": [handler(input={"contentType": "json"})]},
        {"ty": "SERVICE", "handlers": [handler(input={"contentType": "application/json", "jsonSchema": 5})]},
        {"ty": "SERVICE", "handlers": [handler(output={"contentType": "a\nb"})]},
    ],
)
def test_manifests_that_contradict_themselves(fields: dict[str, Any]) -> None:
    with pytest.raises(ManifestError, match=r"S/h"):
        _read(manifest({"name": "S", **fields}))


@pytest.mark.parametrize(
    ("ty", "handler_ty", "kind"),
    [
        ("SERVICE", None, HandlerKind.SERVICE),
        ("SERVICE", "SHARED", HandlerKind.SERVICE),
        ("VIRTUAL_OBJECT", None, HandlerKind.OBJECT_EXCLUSIVE),
        ("VIRTUAL_OBJECT", "EXCLUSIVE", HandlerKind.OBJECT_EXCLUSIVE),
        ("VIRTUAL_OBJECT", "SHARED", HandlerKind.OBJECT_SHARED),
        ("WORKFLOW", None, HandlerKind.WORKFLOW_SHARED),
        ("WORKFLOW", "SHARED", HandlerKind.WORKFLOW_SHARED),
        ("WORKFLOW", "WORKFLOW", HandlerKind.WORKFLOW_RUN),
    ],
)
def test_handler_kinds(ty: str, handler_ty: str | None, kind: HandlerKind) -> None:
    found = _read(manifest(service("S", ty, [handler(ty=handler_ty)])))
    assert found.services[0].handlers["h"].kind == kind


@pytest.mark.parametrize(
    ("given", "rules"),
    [
        (None, InputRules()),
        ({}, InputRules(content_type=None)),
        ({"required": True}, InputRules(required=True, content_type=None)),
        ({"required": True, "jsonSchema": {"title": "T"}}, InputRules(required=True, content_type=None)),
        ({"contentType": "text/*"}, InputRules(content_type="text/*")),
        (
            {"contentType": "a/b", "jsonSchema": {"z": 1, "a": 2}},
            InputRules(content_type="a/b", json_schema='{"a":2,"z":1}'),
        ),
        ({"contentType": "a/b", "jsonSchema": False}, InputRules(content_type="a/b", json_schema="false")),
    ],
)
def test_input_rules(given: dict[str, Any] | None, rules: InputRules) -> None:
    found = _read(manifest(service("S", handlers=[handler(input=given)])))
    assert found.services[0].handlers["h"].input == rules


@pytest.mark.parametrize(
    ("given", "rules"),
    [
        (None, OutputRules()),
        ({}, OutputRules(content_type=None)),
        ({"contentType": "a/b", "setContentTypeIfEmpty": True}, OutputRules("a/b", set_content_type_if_empty=True)),
        ({"contentType": "a/b", "jsonSchema": True}, OutputRules("a/b", json_schema="true")),
    ],
)
def test_output_rules(given: dict[str, Any] | None, rules: OutputRules) -> None:
    found = _read(manifest(service("S", handlers=[handler(output=given)])))
    assert found.services[0].handlers["h"].output == rules


def test_options_are_kept_as_given_in_milliseconds() -> None:
    options: dict[str, Any] = {
        "inactivityTimeout": 0,
        "abortTimeout": 1,
        "journalRetention": 2,
        "enableLazyState": True,
    }
    retry: dict[str, Any] = {
        "retryPolicyInitialInterval": 5,
        "retryPolicyMaxInterval": 6,
        "retryPolicyMaxAttempts": 0,
        "retryPolicyExponentiationFactor": 1.5,
        "retryPolicyOnMaxAttempts": "KILL",
    }
    found = _read(manifest(service("S", "VIRTUAL_OBJECT", [handler(**options, **retry)], **options, **retry)))
    for place in (found.services[0], found.services[0].handlers["h"]):
        assert (place.inactivity_timeout_ms, place.abort_timeout_ms, place.journal_retention_ms) == (0, 1, 2)
        assert place.enable_lazy_state is True
        assert place.retry_policy == RetryPolicy(5, 1.5, 1, 6, "Kill")
        assert place.idempotency_retention_ms is None


def test_endless_durations_stay_within_dates_that_can_be_written() -> None:
    found = _read(manifest(service("S", journalRetention=2**64 - 1)))
    assert found.services[0].journal_retention_ms == 7000 * 365 * 86_400_000


def test_privacy_of_a_service_is_that_of_its_handlers() -> None:
    hidden = _read(manifest(service("S", ingressPrivate=True))).services[0]
    assert (hidden.public, hidden.handlers["h"].public) == (False, False)
    mixed = _read(manifest(service("S", handlers=[handler("a", ingressPrivate=True), handler("b")]))).services[0]
    assert (mixed.public, mixed.handlers["a"].public, mixed.handlers["b"].public) == (True, False, True)


def test_workflow_takes_the_longest_completion_retention_of_its_handlers() -> None:
    handlers = [handler(name, ty="WORKFLOW", workflowCompletionRetention=ms) for name, ms in (("a", 5), ("b", 7))]
    assert _read(manifest(service("S", "WORKFLOW", handlers))).services[0].workflow_completion_retention_ms == 7


def test_names_given_twice_count_once() -> None:
    found = _read(manifest(service("S"), service("S", handlers=[handler("a"), handler("a", documentation="d")])))
    assert len(found.services) == 1
    assert found.services[0].handlers["a"].documentation == "d"
