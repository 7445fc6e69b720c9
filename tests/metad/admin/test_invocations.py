"""Cancel, kill and purge: outcomes -> statuses, and the way to the right worker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import uvloop

import metad.admin.invocations
from shared.api.partition import Moved, PartitionRequest, TerminateReply, TerminateRequest
from shared.ids import encode_invocation_id
from shared.wal.commands import TerminateMode
from tests.metad.harness import FakePeer, Node, new_settings

#: In the last of four even partitions, which worker 1 of 2 hosts.
_ID = b"\xff" * 8 + bytes(16)
_TEXT = encode_invocation_id(_ID)


def _answers(*outcomes: str) -> Any:
    """One outcome a request; "moved" is a worker that does not lead now."""
    left = list(outcomes)

    def answer(request: TerminateRequest) -> list[msgspec.Struct]:
        outcome = left.pop(0) if len(left) > 1 else left[0]
        if outcome == "moved":
            return [Moved(request.request_id, "another leads")]
        return [TerminateReply(request.request_id, outcome)]

    return answer


@pytest.mark.parametrize(
    ("method", "path", "mode", "outcome", "status"),
    [
        ("PATCH", "/cancel", TerminateMode.CANCEL, "appended", 202),
        ("PATCH", "/cancel", TerminateMode.CANCEL, "done", 200),
        ("PATCH", "/cancel", TerminateMode.CANCEL, "not_found", 404),
        ("PATCH", "/cancel", TerminateMode.CANCEL, "completed", 409),
        ("PATCH", "/kill", TerminateMode.KILL, "done", 200),
        ("PATCH", "/kill", TerminateMode.KILL, "not_found", 404),
        ("PATCH", "/kill", TerminateMode.KILL, "completed", 409),
        ("PATCH", "/purge", TerminateMode.PURGE, "done", 200),
        ("PATCH", "/purge", TerminateMode.PURGE, "not_found", 404),
        ("PATCH", "/purge", TerminateMode.PURGE, "not_completed", 409),
        ("DELETE", "", TerminateMode.CANCEL, "appended", 202),
        ("DELETE", "?mode=cancel", TerminateMode.CANCEL, "done", 202),
        ("DELETE", "?mode=Kill", TerminateMode.KILL, "not_found", 202),
        ("DELETE", "?mode=purge", TerminateMode.PURGE, "not_completed", 202),
    ],
)
def test_outcomes(tmp_path: Path, method: str, path: str, mode: TerminateMode, outcome: str, status: int) -> None:
    async def main() -> None:
        settings = new_settings(tmp_path, partitions=4)
        answer = _answers(outcome)
        async with (
            Node(settings) as node,
            FakePeer(settings.socket("partitiond-1"), PartitionRequest, answer) as worker,
        ):
            reply = await node.call(method, f"/invocations/{_TEXT}{path}")
            assert reply.status == status
            assert worker.requests == [TerminateRequest(1, 3, _ID, mode)]
            if status >= 400:
                assert _TEXT in reply.json["message"]
                assert reply.json["restate_code"] is None
            else:
                assert reply.body == b""

    uvloop.run(main())


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PATCH", "/invocations/foo/cancel", 400),
        ("PATCH", "/invocations/inv_1/kill", 400),
        ("DELETE", "/invocations/foo", 400),
        ("DELETE", f"/invocations/{_TEXT}?mode=explode", 400),
        ("PATCH", f"/invocations/{_TEXT}/explode", 404),
        ("POST", f"/invocations/{_TEXT}/cancel", 405),
    ],
)
def test_requests_that_do_not_fit(tmp_path: Path, method: str, path: str, status: int) -> None:
    async def main() -> None:
        async with Node(new_settings(tmp_path)) as node:
            assert (await node.call(method, path)).status == status

    uvloop.run(main())


def test_moved_is_retried_and_an_absent_worker_is_503(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metad.admin.invocations, "_WHOLE_TIMEOUT_S", 0.3)

    async def main() -> None:
        settings = new_settings(tmp_path, partitions=4)
        async with Node(settings) as node:
            reply = await node.call("PATCH", f"/invocations/{_TEXT}/kill")
            assert reply.status == 503
            assert "partitiond-1" in reply.json["message"]
            answer = _answers("moved", "moved", "done")
            async with FakePeer(settings.socket("partitiond-1"), PartitionRequest, answer) as worker:
                assert (await node.call("PATCH", f"/invocations/{_TEXT}/kill")).status == 200
                assert len(worker.requests) == 3

    uvloop.run(main())
