"""`everlog invoke`: what is sent for which words, and what is told of which answer."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import pytest

from scripts.console.calls import Target, call_path, parse_target, shown_result
from scripts.console.failures import UsageError
from tests.fakes.http_node import Answer, Asked, HttpNode
from tests.scripts.console.conftest import Everlog

_ID = "inv_1dceKvwtEc2n7f5rEEMxOOvVuMr1749sNo"
_HEADERS = {"x-restate-id": _ID, "content-type": "application/json"}


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("Greeter/greet", Target("Greeter", None, "greet")),
        ("Counter/apples/add", Target("Counter", "apples", "add")),
        ("Counter/a/b/c/add", Target("Counter", "a/b/c", "add")),
        ("Counter//add", Target("Counter", "", "add")),
    ],
)
def test_target_is_service_key_and_handler(text: str, target: Target) -> None:
    assert parse_target(text) == target


@pytest.mark.parametrize("text", ["Greeter", "Greeter/", "/greet", "", "/"])
def test_target_without_a_handler_is_wrong_usage(text: str) -> None:
    with pytest.raises(UsageError, match="SERVICE/HANDLER"):
        parse_target(text)


def test_path_encodes_keys_and_names_scope_and_limit_key() -> None:
    target = Target("Counter", "a/b ä", "add")
    assert call_path(target, send=False) == "/restate/call/Counter/a%2Fb%20%C3%A4/add"
    path = call_path(target, send=True, delay="1h 30m", scope="acme", limit_key="gold/eu")
    assert path == "/restate/scope/acme/send/Counter/a%2Fb%20%C3%A4/add?delay=1h+30m&limit-key=gold%2Feu"


def test_result_is_printed_as_it_is(stub: HttpNode, everlog: Everlog) -> None:
    stub.answers["POST", "/restate/call/Greeter/greet"] = 200, _HEADERS, b'"Hello, Ada!"'
    done = everlog("invoke", "Greeter/greet", '"Ada"', "-H", "X-Who: me")
    assert done == (0, '"Hello, Ada!"\n', "")
    asked = stub.asked[0]
    assert asked.body == b'"Ada"'
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers["x-who"] == "me"
    assert len(asked.headers["idempotency-key"]) == 32


def test_no_body_is_no_content_type_either(stub: HttpNode, everlog: Everlog) -> None:
    stub.answers["POST", "/restate/call/Counter/apples/get"] = 200, _HEADERS, b"7"
    assert everlog("invoke", "Counter/apples/get").out == "7\n"
    assert "content-type" not in stub.asked[0].headers


def test_result_for_scripts_has_the_id(stub: HttpNode, everlog: Everlog) -> None:
    stub.answers["POST", "/restate/call/Greeter/greet"] = 200, _HEADERS, b'{"a": [1]}'
    assert everlog("invoke", "Greeter/greet", "1", "--json").json == {"invocation_id": _ID, "value": {"a": [1]}}


def test_failure_is_one_line_with_code_and_id(stub: HttpNode, everlog: Everlog) -> None:
    body = {"code": 418, "message": "no\nhotel", "metadata": {"city": "Rome"}, "source": "invocation"}
    headers = {**_HEADERS, "x-restate-error-source": "invocation"}
    stub.answers["POST", "/restate/call/Trip/book"] = 500, headers, body
    done = everlog("invoke", "Trip/book")
    assert done == (1, "", f"everlog invoke: [418] no hotel ({_ID})\n")
    done = everlog("invoke", "Trip/book", "--json")
    assert done.status == 1
    error = {"code": 418, "message": "no hotel", "metadata": {"city": "Rome"}}
    assert done.json == {"invocation_id": _ID, "error": error}


def test_body_that_is_no_json_is_not_sent(stub: HttpNode, everlog: Everlog) -> None:
    done = everlog("invoke", "Greeter/greet", "Ada")
    assert done.status == 2
    assert """a text is quoted, as in '"Ada"'""" in done.err
    assert everlog("invoke", "Greeter/greet", "{").status == 2
    assert stub.asked == []


def test_raw_body_and_content_type_are_as_given(stub: HttpNode, everlog: Everlog) -> None:
    stub.answers["POST", "/restate/call/S/h"] = 200, {"x-restate-id": _ID}, b""
    assert everlog("invoke", "S/h", "Ada", "--raw") == (0, "", "")
    assert everlog("invoke", "S/h", "Ada", "--header", "content-type: text/plain").status == 0
    assert [asked.headers["content-type"] for asked in stub.asked] == ["application/octet-stream", "text/plain"]


def test_body_comes_from_a_file_or_stdin(
    stub: HttpNode, everlog: Everlog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub.answers["POST", "/restate/call/S/h"] = 200, _HEADERS, b"1"
    file = tmp_path / "body.json"
    file.write_bytes(b'{"from": "file"}')
    assert everlog("invoke", "S/h", f"@{file}").status == 0
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"from": "stdin"}')))
    assert everlog("invoke", "S/h", "-").status == 0
    assert [asked.json["from"] for asked in stub.asked] == ["file", "stdin"]
    assert everlog("invoke", "S/h", f"@{tmp_path}/nothing").status == 2


def test_workflow_is_called_without_a_key_of_ours(stub: HttpNode, everlog: Everlog) -> None:
    def run(asked: Asked) -> Answer:
        if "idempotency-key" in asked.headers:
            refused = {"code": 400, "message": "cannot use the idempotency key", "source": "ingress"}
            return 400, {"x-restate-error-source": "ingress"}, refused
        return 200, _HEADERS, b'"done"'

    stub.answers["POST", "/restate/call/SignUp/ada/run"] = run
    assert everlog("invoke", "SignUp/ada/run", "{}").out == '"done"\n'
    given = everlog("invoke", "SignUp/ada/run", "{}", "--idempotency-key", "mine")
    assert given == (1, "", "everlog invoke: [400] cannot use the idempotency key\n")


def test_send_prints_the_id(stub: HttpNode, everlog: Everlog) -> None:
    answer = {"invocationId": _ID, "status": "Accepted", "executionTime": "2026-03-01T12:00:00Z"}
    stub.answers["POST", "/restate/send/S/h"] = 202, _HEADERS, answer
    stub.answers["POST", "/restate/send/S/h?delay=10s"] = 202, _HEADERS, answer | {"status": "PreviouslyAccepted"}
    assert everlog("invoke", "S/h", "--send") == (0, f"{_ID}\n", "")
    again = everlog("invoke", "S/h", "--delay", "10s", "--idempotency-key", "k")
    assert again == (0, f"{_ID}\n", "It was sent before: this one counts for nothing.\n")
    assert [asked.headers.get("idempotency-key") for asked in stub.asked] == [None, "k"]
    told = everlog("invoke", "S/h", "--send", "--json").json
    assert told == {"invocation_id": _ID, "status": "Accepted", "starts_at": "2026-03-01T12:00:00Z"}


def test_attach_and_output_read_a_result(stub: HttpNode, everlog: Everlog) -> None:
    not_ready = {"code": 470, "message": "not completed", "source": "ingress"}
    stub.answers["GET", f"/restate/attach/{_ID}"] = 200, _HEADERS, b"7"
    stub.answers["GET", f"/restate/output/{_ID}"] = 470, {"x-restate-error-source": "ingress"}, not_ready
    assert everlog("invoke", "--attach", _ID) == (0, "7\n", "")
    done = everlog("invoke", "--output", _ID)
    assert done.status == 1
    assert done.err == f"everlog invoke: {_ID} has no result yet; wait for it with: everlog invoke --attach {_ID}\n"
    assert everlog("invoke", "S/h", "--attach", _ID).status == 2
    assert everlog("invoke").status == 2


def test_connection_that_ends_tells_how_to_wait_again(
    stub: HttpNode, everlog: Everlog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The node is killed while it waits: what it had accepted goes on when it is back."""
    from scripts.console import http

    stub.answers["POST", "/restate/call/Counter/apples/add"] = 200, _HEADERS, b"7"
    stub.answers["POST", "/restate/lookup"] = 200, {}, {"invocationId": _ID}
    real = http.read_all
    broken: list[Any] = [ConnectionResetError(104, "reset")]

    def read_all(response: http.Response) -> bytes:
        if broken:
            raise broken.pop()
        return real(response)

    monkeypatch.setattr("scripts.cli.invoke.read_all", read_all)
    done = everlog("invoke", "Counter/apples/add", "5")
    assert done.status == 3
    assert f"everlog invoke --attach {_ID}" in done.err
    looked_up = stub.asked[-1].json
    assert looked_up.pop("idempotencyKey") == stub.asked[0].headers["idempotency-key"]
    assert looked_up == {"target": "idempotentInvocation", "service": "Counter", "key": "apples", "handler": "add"}


def test_ctrl_c_tells_how_to_wait_again(stub: HttpNode, everlog: Everlog, monkeypatch: pytest.MonkeyPatch) -> None:
    from scripts.console import http

    stub.answers["POST", "/restate/call/SignUp/ada/run"] = lambda asked: (
        (400, {"x-restate-error-source": "ingress"}, {"message": "no key"})
        if "idempotency-key" in asked.headers
        else (200, _HEADERS, b"1")
    )
    stub.answers["POST", "/restate/lookup"] = 200, {}, {"invocationId": _ID}
    real = http.read_all

    def read_all(response: http.Response) -> bytes:
        if response.status == 200 and len(stub.asked) == 2:
            raise KeyboardInterrupt
        return real(response)

    monkeypatch.setattr("scripts.cli.invoke.read_all", read_all)
    done = everlog("invoke", "SignUp/ada/run")
    assert done.status == 130
    assert f"Wait for it again with: everlog invoke --attach {_ID}" in done.err
    assert stub.asked[-1].json == {"target": "workflow", "workflowName": "SignUp", "workflowKey": "ada"}


def test_ingress_of_a_node_elsewhere_is_what_it_says(
    stub: HttpNode, everlog: Everlog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EVERLOG_INGRESS_URL")
    stub.answers["GET", "/version"] = 200, {}, {"version": "1", "ingress_endpoint": f"{stub.url}/behind/"}
    stub.answers["POST", "/behind/restate/call/S/h"] = 200, _HEADERS, b"1"
    assert everlog("invoke", "S/h").out == "1\n"


def test_bytes_are_not_for_a_terminal() -> None:
    assert shown_result(b"\xff\x00", "application/octet-stream") is None
    assert shown_result(b"\x1b[31m", "") is None
    assert shown_result(b"a\nb", "") == "a\nb"
    assert shown_result(b'{"a": 1}', "application/json; charset=utf-8") == '{"a": 1}'
