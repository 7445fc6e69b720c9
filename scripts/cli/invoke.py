"""`everlog invoke SERVICE[/KEY]/HANDLER [BODY]`: call a handler and wait, or send, attach, read a result."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripts.cli.deeds import examples
from scripts.console import address, completing
from scripts.console.admin import part, refusal
from scripts.console.calls import (
    JSON,
    Target,
    as_json,
    call_path,
    check_json,
    lookup_body,
    parse_header,
    parse_target,
    shown_result,
)
from scripts.console.failures import RefusedError, UnreachableError, UsageError
from scripts.console.http import Response, exchange, read_all
from scripts.console.screen import print_json
from scripts.node.programs import Program

__all__ = ["add_arguments", "run"]

_LOOKUP_WITHIN_S = 3.0
_SEND_WITHIN_S = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `everlog invoke` takes."""
    examples(
        parser,
        "everlog invoke Greeter/greet '\"Ada\"'",
        "everlog invoke Counter/apples/add 5",
        "everlog invoke SignUp/ada/run @ada.json --send",
        "everlog invoke --attach inv_1…",
    )
    target = parser.add_argument(
        "target", nargs="?", metavar="TARGET", help="SERVICE/HANDLER, or OBJECT/KEY/HANDLER where the service has keys"
    )
    completing.complete(target, completing.targets)
    parser.add_argument("body", nargs="?", metavar="BODY", help="JSON; @FILE: from a file; -: from stdin")
    parser.add_argument("--send", action="store_true", help="do not wait for the result: print the invocation's id")
    parser.add_argument("--delay", metavar="T", help="send, to begin in T: 10s, 5m, 1h 30m")
    parser.add_argument("--idempotency-key", metavar="K", help="calls with one key count once")
    parser.add_argument("--header", "-H", action="append", default=[], metavar="'N: V'", help="a header; many may be")
    parser.add_argument("--raw", action="store_true", help="send the body as it is, whatever it is")
    parser.add_argument("--scope", metavar="S", help="call within this scope")
    parser.add_argument("--limit-key", metavar="L", help="below the scope: gold, or gold/eu")
    parser.add_argument("--attach", metavar="ID", help="wait for the result of an invocation")
    parser.add_argument("--output", metavar="ID", help="its result, if it is there")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    address.add_node(parser, ingress=True)


def run(arguments: argparse.Namespace, programs: Sequence[Program]) -> int:
    """0: it succeeded; 1: it failed, or has no result yet. Ctrl-C leaves it running and says how to wait for it."""
    known = arguments.attach or arguments.output
    if known:
        if arguments.target is not None or (arguments.attach and arguments.output):
            raise UsageError("--attach ID and --output ID stand alone")
        return _result_of(arguments, known)
    if arguments.target is None:
        raise UsageError("say what to call: SERVICE/HANDLER or OBJECT/KEY/HANDLER; `everlog services` lists them")
    target = parse_target(arguments.target)
    headers = dict(map(parse_header, arguments.header))
    body = _body(arguments, headers)
    url = address.ingress_url(arguments)
    if arguments.send or arguments.delay is not None:
        return _send(arguments, url, target, body, headers)
    return _call(arguments, url, target, body, headers)


def _body(arguments: argparse.Namespace, headers: dict[str, str]) -> bytes | None:
    """None: there is none, which is not an empty one. Sets the content type."""
    text: str | None = arguments.body
    if text is None:
        return None
    if text == "-":
        body = sys.stdin.buffer.read()
    elif text.startswith("@"):
        try:
            body = Path(text[1:]).read_bytes()
        except OSError as error:
            raise UsageError(f"cannot read {text[1:]}: {error.strerror}") from error
    else:
        body = text.encode()
    kind = headers.setdefault("content-type", "application/octet-stream" if arguments.raw else JSON)
    if kind.startswith(JSON) and not arguments.raw:
        check_json(body)
    return body


def _send(arguments: argparse.Namespace, url: str, target: Target, body: bytes | None, headers: dict[str, str]) -> int:
    if arguments.idempotency_key is not None:
        headers["idempotency-key"] = arguments.idempotency_key
    path = call_path(target, send=True, delay=arguments.delay, scope=arguments.scope, limit_key=arguments.limit_key)
    with exchange(url, "POST", path, body=body, headers=headers, within_s=_SEND_WITHIN_S, name="--ingress") as response:
        text = read_all(response)
        if response.status >= 400:
            return _failed(arguments, response, text)
    answer = json.loads(text)
    invocation_id = answer["invocationId"]
    if arguments.json:
        starts = {"starts_at": answer["executionTime"]} if "executionTime" in answer else {}
        print_json({"invocation_id": invocation_id, "status": answer["status"], **starts})
        return 0
    print(invocation_id)
    if answer["status"] == "PreviouslyAccepted":
        print("It was sent before: this one counts for nothing.", file=sys.stderr)
    if sys.stdout.isatty():
        print(f"Wait for its result with: everlog invoke --attach {invocation_id}", file=sys.stderr)
    return 0


def _call(arguments: argparse.Namespace, url: str, target: Target, body: bytes | None, headers: dict[str, str]) -> int:
    """With a key made here if none was given, so that what is called is known before it has ended."""
    key: str | None = arguments.idempotency_key
    made = key is None
    key = os.urandom(16).hex() if key is None else key
    path = call_path(target, send=False, scope=arguments.scope, limit_key=arguments.limit_key)
    try:
        with exchange(
            url, "POST", path, body=body, headers={**headers, "idempotency-key": key}, name="--ingress"
        ) as response:
            text = read_all(response)
            refused = response.status == 400 and response.headers.get("x-restate-error-source") == "ingress"
            if not (made and refused and target.key is not None):
                return _told(arguments, response, text)
        # A workflow's run takes no key, for it has one: its own. Nothing was begun yet.
        key = None
        with exchange(url, "POST", path, body=body, headers=headers, name="--ingress") as response:
            return _told(arguments, response, read_all(response))
    except (KeyboardInterrupt, UnreachableError) as error:
        _tell_how_to_attach(url, lookup_body(target, idempotency_key=key, scope=arguments.scope), error)
        raise


def _tell_how_to_attach(url: str, question: dict[str, Any], error: BaseException) -> None:
    """It goes on without us, if the request arrived."""
    if "no node answers" in str(error):
        return
    try:
        with exchange(
            url,
            "POST",
            "/restate/lookup",
            body=json.dumps(question).encode(),
            headers={"Content-Type": JSON},
            within_s=_LOOKUP_WITHIN_S,
            name="--ingress",
        ) as response:
            found = json.loads(read_all(response))["invocationId"]
    except (UnreachableError, ValueError, KeyError, TypeError):
        return
    print(f"\nIt goes on. Wait for it again with: everlog invoke --attach {found}", file=sys.stderr)


def _result_of(arguments: argparse.Namespace, invocation_id: str) -> int:
    kind = "attach" if arguments.attach else "output"
    url = address.ingress_url(arguments)
    try:
        with exchange(url, "GET", f"/restate/{kind}/{part(invocation_id)}", name="--ingress") as response:
            return _told(arguments, response, read_all(response), invocation_id)
    except KeyboardInterrupt:
        print(f"\nIt goes on. Wait for it again with: everlog invoke --attach {invocation_id}", file=sys.stderr)
        raise


def _told(arguments: argparse.Namespace, response: Response, text: bytes, invocation_id: str | None = None) -> int:
    if response.status >= 400:
        return _failed(arguments, response, text, invocation_id)
    kind = response.headers.get("content-type", "")
    if arguments.json:
        found = response.headers.get("x-restate-id", invocation_id)
        print_json({"invocation_id": found, "value": as_json(text, kind)})
        return 0
    shown = shown_result(text, kind) if sys.stdout.isatty() or text else ""
    if shown is None and sys.stdout.isatty():
        print(f"{len(text)} bytes of {kind or 'no content type'}: not for a terminal; send them to a file with >")
    elif shown is None:
        sys.stdout.buffer.write(text)
    elif shown:
        print(shown, end="" if shown.endswith("\n") else "\n")
    return 0


def _failed(arguments: argparse.Namespace, response: Response, text: bytes, invocation_id: str | None = None) -> int:
    """One line: the code, the words, and the id if it has one."""
    found = response.headers.get("x-restate-id", invocation_id)
    if response.status == 470:
        message = f"{found} has no result yet; wait for it with: everlog invoke --attach {found}"
        raise RefusedError(470, message)
    message, code = refusal(response, text), response.status
    details: dict[str, Any] = {}
    if response.headers.get("x-restate-error-source") == "invocation":
        answer = json.loads(text)
        code = answer.get("code", code)
        details = {"metadata": answer["metadata"]} if answer.get("metadata") else {}
    if arguments.json:
        print_json({"invocation_id": found, "error": {"code": code, "message": message, **details}})
        return 1
    where = f" ({found})" if found and found not in message else ""
    print(f"everlog invoke: [{code}] {message}{where}", file=sys.stderr)
    return 1
