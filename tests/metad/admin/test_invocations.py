"""Cancel, kill, purge, pause, resume and restart: outcomes -> statuses, and the way to the right worker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import uvloop

import metad.admin.operator
from shared.api.partition import (
    Moved,
    PartitionRequest,
    PauseRequest,
    RestartRequest,
    ResumeRequest,
    TerminateReply,
    TerminateRequest,
)
from shared.ids import decode_invocation_id, encode_deployment_id, encode_invocation_id
from shared.wal.commands import TerminateMode
from tests.metad.harness import FakePeer, Node, new_settings

#: In the last of four even partitions, which worker 1 of 2 hosts.
_ID = b"\xff" * 8 + bytes(16)
_TEXT = encode_invocation_id(_ID)
_DEPLOYMENT = encode_deployment_id(bytes(16))


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
        ("PATCH", "/purge-journal", TerminateMode.PURGE_JOURNAL, "done", 200),
        ("PATCH", "/purge-journal", TerminateMode.PURGE_JOURNAL, "not_found", 404),
        ("PATCH", "/purge-journal", TerminateMode.PURGE_JOURNAL, "not_completed", 409),
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
        ("PATCH", "/invocations/foo/pause", 400),
        ("PATCH", "/invocations/foo/resume", 400),
        ("PATCH", "/invocations/foo/restart-as-new", 400),
        ("PATCH", "/invocations/foo/purge-journal", 400),
        ("PATCH", f"/invocations/{_TEXT}/resume?deployment=newest", 400),
        ("PATCH", f"/invocations/{_TEXT}/resume?deployment=", 400),
        ("PATCH", f"/invocations/{_TEXT}/restart-as-new?deployment=foo", 400),
        ("PATCH", f"/invocations/{_TEXT}/restart-as-new?from=abc", 400),
        ("PATCH", f"/invocations/{_TEXT}/restart-as-new?from=-1", 400),
        ("PATCH", f"/invocations/{_TEXT}/restart-as-new?from=", 400),
        ("PATCH", f"/invocations/{_TEXT}/restart-as-new?from=4294967296", 400),
    ],
)
def test_requests_that_do_not_fit(tmp_path: Path, method: str, path: str, status: int) -> None:
    async def main() -> None:
        async with Node(new_settings(tmp_path)) as node:
            assert (await node.call(method, path)).status == status

    uvloop.run(main())


def test_moved_is_retried_and_an_absent_worker_is_503(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metad.admin.operator, "_WHOLE_TIMEOUT_S", 0.3)

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


@pytest.mark.parametrize(
    ("path", "request_sent", "outcome", "status"),
    [
        ("/pause", PauseRequest(1, 3, _ID), "pausing", 202),
        ("/pause", PauseRequest(1, 3, _ID), "paused", 200),
        ("/pause", PauseRequest(1, 3, _ID), "not_found", 404),
        ("/pause", PauseRequest(1, 3, _ID), "not_running", 409),
        ("/resume", ResumeRequest(1, 3, _ID, "keep"), "done", 200),
        ("/resume?deployment=keep", ResumeRequest(1, 3, _ID, "keep"), "not_found", 404),
        ("/resume?deployment=Keep", ResumeRequest(1, 3, _ID, "keep"), "completed", 409),
        ("/resume?deployment=latest", ResumeRequest(1, 3, _ID, "latest"), "deployment_fixed", 409),
        (f"/resume?deployment={_DEPLOYMENT}", ResumeRequest(1, 3, _ID, _DEPLOYMENT), "deployment_unknown", 400),
        (f"/resume?deployment={_DEPLOYMENT}", ResumeRequest(1, 3, _ID, _DEPLOYMENT), "incompatible", 400),
        ("/resume", ResumeRequest(1, 3, _ID, "keep"), "not_begun", 425),
    ],
)
def test_outcomes_of_pause_and_resume(
    tmp_path: Path, path: str, request_sent: msgspec.Struct, outcome: str, status: int
) -> None:
    async def main() -> None:
        settings = new_settings(tmp_path, partitions=4)
        async with (
            Node(settings) as node,
            FakePeer(settings.socket("partitiond-1"), PartitionRequest, _answers(outcome)) as worker,
        ):
            reply = await node.call("PATCH", f"/invocations/{_TEXT}{path}")
            assert (reply.status, worker.requests) == (status, [request_sent])
            assert _TEXT in reply.json["message"] if status >= 400 else reply.body == b""

    uvloop.run(main())


@pytest.mark.parametrize(
    ("query", "from_index", "deployment", "outcome", "status"),
    [
        ("", 0, "latest", "done", 200),
        ("?from=0&deployment=keep", 0, "keep", "done", 200),
        (f"?from=4294967295&deployment={_DEPLOYMENT}", 4294967295, _DEPLOYMENT, "bad_prefix", 400),
        ("", 0, "latest", "not_found", 404),
        ("", 0, "latest", "not_completed", 409),
        ("", 0, "latest", "not_begun", 425),
        ("", 0, "latest", "input_gone", 410),
        ("", 0, "latest", "unsupported", 422),
        ("", 0, "latest", "deployment_unknown", 400),
        ("", 0, "latest", "deployment_fixed", 409),
        ("?from=2", 2, "latest", "incompatible", 400),
    ],
)
def test_outcomes_of_restart_as_new(
    tmp_path: Path, query: str, from_index: int, deployment: str, outcome: str, status: int
) -> None:
    async def main() -> None:
        settings = new_settings(tmp_path, partitions=4)
        async with (
            Node(settings) as node,
            FakePeer(settings.socket("partitiond-1"), PartitionRequest, _answers(outcome)) as worker,
        ):
            reply = await node.call("PATCH", f"/invocations/{_TEXT}/restart-as-new{query}")
            assert reply.status == status
            (sent,) = worker.requests
            assert sent == RestartRequest(1, 3, _ID, sent.new_id, from_index, deployment)
            assert sent.new_id[:8] == _ID[:8]
            if status == 200:
                assert decode_invocation_id(reply.json["new_invocation_id"]) == sent.new_id
            else:
                assert _TEXT in reply.json["message"]

    uvloop.run(main())


def test_a_restart_that_is_asked_again_keeps_its_new_id(tmp_path: Path) -> None:
    """The leader may have stored the restart before it lost its leadership, and before it could answer."""

    async def main() -> None:
        settings = new_settings(tmp_path, partitions=4)
        answer = _answers("moved", "moved", "done")
        async with (
            Node(settings) as node,
            FakePeer(settings.socket("partitiond-1"), PartitionRequest, answer) as worker,
        ):
            assert (await node.call("PATCH", f"/invocations/{_TEXT}/restart-as-new")).status == 200
            assert len({request.new_id for request in worker.requests}) == 1
            assert len(worker.requests) == 3

    uvloop.run(main())
