"""A node as a stub tells of it, at noon of 1 March 2026: what the screens in `screens/` show."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

from tests.fakes.http_node import Asked, HttpNode

__all__ = ["NOW_MS", "furnish"]

NOW_MS = 1_772_366_400_000
_GREETS = "inv_1dceKvwtEc2n7f5rEEMxOOvVuMr1749sNo"
_ADDS = "inv_1gdJBtdVEcM942bjcDmb1c1khoaJe11Hbz"
_BOOKS = "inv_13zKnUTjPYb81GRBM9UyjBr2gZVTnSuOqr"
_SIGNS = "inv_1aaaaaaaaaaa2bbbbbbbbbbbbbbbbbbbbb"
_PYTHON, _NODE = "dp_14q0Rn1lGSPyaYXT9oW9Ptd", "dp_11NSU4ZSzOlqYmIaWcL1mFT"


def _at(clock: str) -> str:
    return f"2026-03-01T{clock}Z"


def _invocation(invocation_id: str, target: str, status: str, created: str, **more: Any) -> dict[str, Any]:
    service, _, rest = target.partition("/")
    return {
        "id": invocation_id,
        "target": target,
        "target_service_name": service,
        "target_handler_name": rest.rpartition("/")[2],
        "target_service_ty": more.pop("ty", "service"),
        "status": status,
        "created_at": _at(created),
        "modified_at": _at(created),
        "invoked_by": "ingress",
        **more,
    }


_INVOCATIONS = [
    _invocation(_GREETS, "Greeter/greet", "running", "11:59:58.500", retry_count=1, pinned_deployment_id=_PYTHON),
    _invocation(
        _ADDS,
        "Counter/a key of many words that is longer than most/add",
        "backing-off",
        "11:57:00",
        retry_count=4,
        next_retry_at=_at("12:00:12"),
        last_failure="[500 Internal] the database\nis away",
        ty="virtual_object",
        pinned_deployment_id=_PYTHON,
        pinned_service_protocol_version=6,
        running_at=_at("11:57:00.004"),
        last_failure_error_code="RT0007",
    ),
    _invocation(
        _BOOKS,
        "Trip/book",
        "completed",
        "08:00:00",
        completion_result="failure",
        completion_failure="[404 Not Found] nothing is booked: there is no hotel in Atlantis",
        completed_at=_at("08:00:01.250"),
        running_at=_at("08:00:00.003"),
        idempotency_key="trip-1",
    ),
    _invocation(_SIGNS, "SignUp/ada/run", "scheduled", "11:00:00", scheduled_start_at=_at("13:00:00"), ty="workflow"),
]


def _lite(kind: str, **fields: Any) -> str:
    return json.dumps({"Command": {kind: fields}})


_JOURNAL = [
    {"index": 0, "entry_type": "Command: Input", "entry_lite_json": _lite("Input"), "appended_at": _at("11:57:00")},
    {
        "index": 1,
        "entry_type": "Command: Run",
        "name": "charge",
        "entry_lite_json": _lite("Run", completion_id=1, name="charge"),
        "appended_at": _at("11:57:00.020"),
    },
    {
        "index": 2,
        "entry_type": "Notification: Run",
        "entry_lite_json": json.dumps(
            {"Notification": {"ty": {"Completion": "Run"}, "id": {"CompletionId": 1}, "result": "Success"}}
        ),
        "appended_at": _at("11:57:01.200"),
    },
    {
        "index": 3,
        "entry_type": "Command: Call",
        "entry_lite_json": _lite(
            "Call",
            invocation_id=_GREETS,
            invocation_target={"VirtualObject": {"name": "Stock", "key": "pears", "handler": "take"}},
            result_completion_id=3,
        ),
        "appended_at": _at("11:57:01.250"),
    },
    {
        "index": 4,
        "entry_type": "Command: Sleep",
        "entry_lite_json": _lite("Sleep", wake_up_time=NOW_MS + 3_600_000, completion_id=4),
        "appended_at": _at("11:57:01.251"),
    },
]
_EVENTS = [
    {
        "appended_at": _at("11:57:03"),
        "event_type": "TransientError",
        "event_json": json.dumps(
            {
                "ty": "TransientError",
                "error_code": 500,
                "error_message": "the database\nis away",
                "related_command_type": "Run",
                "related_command_name": "charge",
                "related_command_index": 1,
            }
        ),
    }
]
_RULES = [
    {"pattern": "acme", "concurrency": 10, "disabled": False, "version": 1, "last_modified": _at("11:00:00")},
    {
        "pattern": "acme/*",
        "concurrency": 2,
        "disabled": True,
        "version": 3,
        "description": "two for each",
        "last_modified": "2026-02-27T12:00:00Z",
    },
]
_STATE = [
    {"key": "value", "value": b"7".hex(), "value_utf8": "7"},
    {"key": "names", "value": b'["Ada","Grace"]'.hex()},
    {"key": "picture", "value": "ff00"},
]


def _handler(name: str, kind: str | None, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        **({} if kind is None else {"ty": kind}),
        "public": True,
        "input_description": "value of content-type 'application/json'",
        "output_description": "value of content-type 'application/json'",
        "retry_policy": {"max_attempts": None},
        **more,
    }


def _service(name: str, kind: str, deployment: str, handlers: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    policy = {
        "initial_interval": "500ms",
        "exponentiation_factor": 2.0,
        "max_attempts": 70,
        "max_interval": "1m",
        "on_max_attempts": "Pause",
    }
    return {
        "name": name,
        "ty": kind,
        "handlers": handlers,
        "deployment_id": deployment,
        "revision": 1,
        "public": True,
        "idempotency_retention": "1d",
        "journal_retention": "1d",
        "inactivity_timeout": "1m",
        "abort_timeout": "10m",
        "enable_lazy_state": False,
        "retry_policy": policy,
        **more,
    }


_SERVICES = [
    _service("Greeter", "Service", _PYTHON, [_handler("greet", None), _handler("welcome", None)]),
    _service(
        "Counter",
        "VirtualObject",
        _PYTHON,
        [
            _handler("add", "Exclusive", documentation="Add to the number and return the sum."),
            _handler("get", "Shared", public=False),
        ],
        revision=3,
        documentation="A number for each key.",
    ),
    _service("SignUp", "Workflow", _NODE, [_handler("run", "Workflow")], public=False),
]


def _deployment(deployment_id: str, uri: str, sdk: str, created: str, services: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": deployment_id,
        "uri": uri,
        "protocol_type": "BidiStream",
        "http_version": "HTTP/2.0",
        "created_at": created,
        "min_protocol_version": 5,
        "max_protocol_version": 7,
        "sdk_version": sdk,
        "services": services,
    }


_DEPLOYMENTS = [
    _deployment(_PYTHON, "http://localhost:9080/", "restate-sdk-python/1.3.0", _at("11:00:00"), _SERVICES[:2]),
    _deployment(
        _NODE,
        "https://services.example.org/a/long/path/to/it/",
        "restate-sdk-typescript/1.9.0",
        "2026-02-20T12:00:00Z",
        _SERVICES[2:],
    ),
]


def _batch(asked: Asked) -> tuple[int, dict[str, str], Any]:
    ids = asked.json["invocation_ids"]
    failed = [{"invocation_id": each, "error": "it has completed already"} for each in ids if each == _BOOKS]
    done: list[Any] = [each for each in ids if each != _BOOKS]
    if asked.path.endswith("restart-as-new"):
        done = [{"old_invocation_id": each, "new_invocation_id": _GREETS} for each in done]
    return 200, {}, {"succeeded": done, "failed": failed}


def furnish(node: HttpNode) -> None:
    """Let the stub be that node."""
    short = [
        {**each, "services": [{"name": s["name"], "revision": s["revision"]} for s in each["services"]]}
        for each in _DEPLOYMENTS
    ]
    node.answers |= {
        ("GET", "/services"): (200, {}, {"services": _SERVICES}),
        ("GET", "/deployments"): (200, {}, {"deployments": short}),
        ("GET", "/health"): (
            503,
            {},
            {"message": "this node is not ready", "not_ready": ["partition 3: replays, 42 %"]},
        ),
        ("GET", "/version"): (200, {}, {"version": "0.4.0", "ingress_endpoint": f"{node.url}/"}),
        ("POST", "/deployments"): (201, {}, {"id": _PYTHON, "services": _SERVICES[:2]}),
        **{("GET", f"/services/{each['name']}"): (200, {}, each) for each in _SERVICES},
        **{("GET", f"/deployments/{each['id']}"): (200, {}, each) for each in _DEPLOYMENTS},
        **{("DELETE", f"/deployments/{each['id']}?force=true"): (202, {}, b"") for each in _DEPLOYMENTS},
        **{
            ("POST", f"/internal/invocations_batch_operations/{verb}"): _batch
            for verb in ("cancel", "kill", "pause", "resume", "restart-as-new", "purge")
        },
    }
    counts = [
        {"status": "running", "n": 3},
        {"status": "backing-off", "n": 1},
        {"status": "completed", "completion_result": "success", "n": 1204},
        {"status": "completed", "completion_result": "failure", "n": 17},
    ]
    # The first that stands in the query counts.
    node.rows += [
        (f"from sys_journal_events where id = '{_ADDS}'", _EVENTS),
        (f"from sys_journal where id = '{_ADDS}'", _JOURNAL),
        ("from sys_journal", []),
        ("count(*)", counts),
        (f"where id = '{_ADDS}'", [_INVOCATIONS[1]]),
        (f"where id = '{_BOOKS}'", [_INVOCATIONS[2]]),
        ("where id = 'inv_", []),
        ("target_service_name = 'Nobody'", []),
        ("select id, target from sys_invocation", [_INVOCATIONS[0], _INVOCATIONS[1]]),
        ("from sys_invocation", _INVOCATIONS),
        ("from sys_user_limits", [{"rule_pattern": "acme", "usage": 4, "waiting": 12}]),
        ("pattern = 'other'", []),
        ("pattern in ('nothing')", []),
        ("pattern in ('acme')", _RULES[:1]),
        ("from sys_rules", _RULES),
        ("service_key = 'apples'", _STATE),
        ("from state", []),
    ]
    node.arrow["select * from t"] = _batches()


def _batches() -> list[pa.RecordBatch]:
    moments = pa.array([NOW_MS, NOW_MS + 1, None], pa.timestamp("ms", "UTC"))
    columns = {
        "name": pa.array(["Ada", "Grace, “of COBOL”", None]),
        "n": pa.array([1, 20_000, None], pa.uint64()),
        "at": moments,
        "kept": pa.array([86_400_000, 1500, None], pa.duration("ms")),
        "raw": pa.array([b"\0\xff", b"", None], pa.large_binary()),
        "waits": pa.array([[1, 2], [], None], pa.list_(pa.uint32())),
        "there": pa.array([True, False, None]),
    }
    whole = pa.RecordBatch.from_pydict(columns)
    return [whole.slice(0, 2), whole.slice(2, 1)]
