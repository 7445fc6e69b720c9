"""State that is replaced over HTTP: bodies -> statuses, and what the leader is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import uvloop

import metad.admin.operator
from shared.api.partition import Moved, PartitionRequest, PatchStateReply, PatchStateRequest
from shared.ids import key_partition_key, scope_partition_key
from shared.wal.commands import PatchState
from tests.metad.harness import Deployments, FakePeer, Node, manifest, new_settings, service

_SERVICES = (service("Plain"), service("Obj", "VIRTUAL_OBJECT"), service("Flow", "WORKFLOW"))


def _body(**changes: Any) -> dict[str, Any]:
    return {"object_key": "k", "new_state": {"n": [49]}} | changes


#: Service, body, status as the oracle's, but for a bad scope (500 there) and a key that no call can have (202 there).
REQUESTS: list[tuple[str, Any, int]] = [
    ("Obj", _body(), 202),
    ("Obj", _body(version="47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"), 202),
    ("Obj", _body(version="", scope=None, more=1), 202),
    ("Obj", _body(version=None, new_state={}), 202),
    ("Obj", _body(scope="tenant-1"), 202),
    ("Obj", _body(new_state={"": [], "é": [0, 255], "text": "ab"}), 202),
    ("Obj", _body(object_key=""), 202),
    ("Flow", _body(), 202),
    ("Flow", _body(scope="tenant-1", new_state={}), 202),
    ("Plain", _body(), 400),
    ("Plain", _body(new_state={}), 400),
    ("Plain", _body(scope="a b"), 400),
    ("Gone", _body(), 404),
    ("Gone", _body(scope="a b"), 404),
    ("Gone", _body(new_state={}), 202),
    ("Obj", _body(scope="a b"), 400),
    ("Obj", _body(scope=""), 400),
    ("Obj", _body(scope="x" * 37), 400),
    ("Obj", _body(object_key="k" * 60_000), 400),
    ("Obj", {"object_key": "k"}, 422),
    ("Obj", {"new_state": {}}, 422),
    ("Obj", _body(object_key=1), 422),
    ("Obj", _body(version=1), 422),
    ("Obj", _body(new_state=[]), 422),
    ("Obj", _body(new_state=None), 422),
    ("Obj", _body(new_state={"n": [256]}), 422),
    ("Obj", _body(new_state={"n": [-1]}), 422),
    ("Obj", _body(new_state={"n": [1.5]}), 422),
    ("Obj", _body(new_state={"n": ["1"]}), 422),
    ("Obj", _body(new_state={"n": None}), 422),
    ("Obj", _body(new_state={"n": 1}), 422),
    ("Obj", b"{", 400),
    ("Obj", b'{"object_key":"\\ud800","new_state":{}}', 400),
    ("Obj", b"[]", 422),
]


def _accepts(request: PatchStateRequest) -> list[msgspec.Struct]:
    return [PatchStateReply(request.request_id)]


def test_statuses(tmp_path: Path) -> None:
    async def main() -> None:
        settings, deployments = new_settings(tmp_path, partitions=1), Deployments()
        async with (
            deployments.serving(),
            Node(settings) as node,
            FakePeer(settings.socket("partitiond-0"), PartitionRequest, _accepts) as worker,
        ):
            await node.register(deployments.put("a", manifest(*_SERVICES)))
            differing = []
            for name, body, status in REQUESTS:
                asked = len(worker.requests)
                reply = await node.call("POST", f"/services/{name}/state", body)
                if (reply.status, len(worker.requests) - asked) != (status, int(status == 202)):
                    differing.append(f"{name} {body!r:.200}: {reply.status} {reply.body!r}, not {status}")
            assert not differing, "\n".join(differing)
            plain = await node.call("POST", "/services/Obj/state", _body(), headers={"Content-Type": "text/plain"})
            assert plain.status == 415
            assert (await node.call("GET", "/services/Obj/state")).status == 405
            for prefix in ("/v2", "/v3", "/v4"):
                assert (await node.call("POST", f"{prefix}/services/Obj/state", _body())).status == 202

    uvloop.run(main())


@pytest.mark.parametrize(
    ("path", "body", "place", "told"),
    [
        ("Obj", _body(), key_partition_key("k"), ("Obj", "k", None, None, [(b"n", b"1")])),
        (
            "Obj",
            _body(scope="s", version="v", new_state={"b": [1, 0, 255], "a": "x"}),
            scope_partition_key("s"),
            ("Obj", "k", "s", "v", [(b"a", b"x"), (b"b", b"\x01\x00\xff")]),
        ),
        ("Gone%2F%C3%A9", _body(new_state={}), key_partition_key("k"), ("Gone/é", "k", None, None, [])),
    ],
)
def test_the_leader_of_the_place_is_asked_until_it_answers(
    tmp_path: Path, path: str, body: Any, place: int, told: tuple[Any, ...]
) -> None:
    """Each time with the same uid, by which it knows the request again."""

    def answer(request: PatchStateRequest) -> list[msgspec.Struct]:
        return [Moved(request.request_id, "another leads")] if len(worker.requests) < 3 else _accepts(request)

    async def main() -> None:
        nonlocal worker
        settings, deployments = new_settings(tmp_path, partitions=4), Deployments()
        partition = place >> 62
        worker = FakePeer(settings.socket(f"partitiond-{partition % 2}"), PartitionRequest, answer)
        async with deployments.serving(), Node(settings) as node, worker:
            await node.register(deployments.put("a", manifest(*_SERVICES)))
            reply = await node.call("POST", f"/services/{path}/state", body)
            assert (reply.status, reply.body) == (202, b"")
            assert len(worker.requests) == 3
            uid = worker.requests[0].patch.uid
            assert len(uid) == 16
            expected = PatchStateRequest(1, partition, PatchState(uid, *told))
            assert worker.requests == [expected] * 3

    worker: Any = None
    uvloop.run(main())


def test_two_requests_have_two_uids_and_nobody_there_is_503(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metad.admin.operator, "_WHOLE_TIMEOUT_S", 0.3)

    async def main() -> None:
        settings = new_settings(tmp_path, partitions=1)
        async with Node(settings) as node:
            clearing = _body(new_state={})
            assert (await node.call("POST", "/services/Gone/state", clearing)).status == 503
            async with FakePeer(settings.socket("partitiond-0"), PartitionRequest, _accepts) as worker:
                for _ in range(2):
                    assert (await node.call("POST", "/services/Gone/state", clearing)).status == 202
                assert len({request.patch.uid for request in worker.requests}) == 2

    uvloop.run(main())
