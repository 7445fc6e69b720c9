"""Verbs for many invocations at once: each ends on its own, and the answer says how."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import uvloop

import metad.admin.operator
from shared.api.partition import (
    PartitionRequest,
    PauseRequest,
    RestartRequest,
    ResumeRequest,
    TerminateReply,
    TerminateRequest,
)
from shared.ids import decode_invocation_id, encode_invocation_id
from shared.wal.commands import TerminateMode
from tests.metad.harness import FakePeer, Node, new_settings

_PATH = "/internal/invocations_batch_operations"
#: In the last and in the first of four even partitions, which workers 1 and 0 of 2 host.
_IDS = [b"\xff" * 8 + bytes(16), bytes(23) + b"\x01"]
_TEXTS = [encode_invocation_id(each) for each in _IDS]
_NOBODY = encode_invocation_id(b"\x01" * 24)


def _by_id(outcomes: dict[bytes, str]) -> Any:
    def answer(request: Any) -> list[msgspec.Struct]:
        return [TerminateReply(request.request_id, outcomes[request.invocation_id])]

    return answer


@pytest.mark.parametrize(
    ("verb", "sent"),
    [
        ("cancel", TerminateRequest(1, 3, _IDS[0], TerminateMode.CANCEL)),
        ("kill", TerminateRequest(1, 3, _IDS[0], TerminateMode.KILL)),
        ("purge", TerminateRequest(1, 3, _IDS[0], TerminateMode.PURGE)),
        ("purge-journal", TerminateRequest(1, 3, _IDS[0], TerminateMode.PURGE_JOURNAL)),
        ("pause", PauseRequest(1, 3, _IDS[0])),
        ("resume", ResumeRequest(1, 3, _IDS[0], "keep")),
    ],
)
def test_each_succeeds_or_fails_on_its_own(tmp_path: Path, verb: str, sent: msgspec.Struct) -> None:
    async def main() -> None:
        settings = new_settings(tmp_path, partitions=4)
        answer = _by_id({_IDS[0]: "done", _IDS[1]: "not_found"})
        async with (
            Node(settings) as node,
            FakePeer(settings.socket("partitiond-0"), PartitionRequest, answer),
            FakePeer(settings.socket("partitiond-1"), PartitionRequest, answer) as worker,
        ):
            reply = await node.call("POST", f"{_PATH}/{verb}", {"invocation_ids": _TEXTS})
            assert reply.status == 200
            assert reply.json["succeeded"] == [_TEXTS[0]]
            (failed,) = reply.json["failed"]
            assert failed["invocation_id"] == _TEXTS[1]
            assert failed["error"].startswith(f"there is no invocation '{_TEXTS[1]}'")
            assert worker.requests == [sent]

    uvloop.run(main())


@pytest.mark.parametrize(
    ("given", "asked"), [(None, "latest"), ("Keep", "keep"), ("dp_1" + "0" * 22, "dp_1" + "0" * 22)]
)
def test_restarts_tell_the_new_ids(tmp_path: Path, given: str | None, asked: str) -> None:
    async def main() -> None:
        settings = new_settings(tmp_path, partitions=4)
        async with (
            Node(settings) as node,
            FakePeer(settings.socket("partitiond-1"), PartitionRequest, _by_id({_IDS[0]: "done"})) as worker,
        ):
            body = {"invocation_ids": [_TEXTS[0]], "deployment": given}
            reply = await node.call("POST", f"{_PATH}/restart-as-new", body)
            assert (reply.status, reply.json["failed"]) == (200, [])
            ((old, new),) = ((each["old_invocation_id"], each["new_invocation_id"]) for each in reply.json["succeeded"])
            assert old == _TEXTS[0]
            assert worker.requests == [RestartRequest(1, 3, _IDS[0], decode_invocation_id(new), 0, asked)]

    uvloop.run(main())


def test_an_absent_worker_fails_its_own_invocations_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metad.admin.operator, "_WHOLE_TIMEOUT_S", 0.3)

    async def main() -> None:
        settings = new_settings(tmp_path, partitions=4)
        async with (
            Node(settings) as node,
            FakePeer(settings.socket("partitiond-1"), PartitionRequest, _by_id({_IDS[0]: "done"})),
        ):
            reply = await node.call("POST", f"{_PATH}/kill", {"invocation_ids": _TEXTS})
            assert reply.json["succeeded"] == [_TEXTS[0]]
            assert "partitiond-0" in reply.json["failed"][0]["error"]

    uvloop.run(main())


_REFUSED: list[tuple[str, Any, int]] = [
    ("kill", {"invocation_ids": [_NOBODY] * 1001}, 400),
    ("kill", {"invocation_ids": ["inv_1"]}, 422),
    ("kill", {"invocation_ids": "all"}, 422),
    ("kill", {}, 422),
    ("kill", b"not json", 400),
    ("resume", {"invocation_ids": [], "deployment": "dp_foo!"}, 400),
    ("restart-as-new", {"invocation_ids": [], "deployment": 7}, 422),
    ("explode", {"invocation_ids": []}, 404),
]


@pytest.mark.parametrize(("verb", "body", "status"), _REFUSED)
def test_bodies_that_do_not_fit(tmp_path: Path, verb: str, body: Any, status: int) -> None:
    async def main() -> None:
        async with Node(new_settings(tmp_path)) as node:
            reply = await node.call("POST", f"{_PATH}/{verb}", body, headers={"Content-Type": "application/json"})
            assert reply.status == status
            if verb != "explode":
                assert reply.body

    uvloop.run(main())
