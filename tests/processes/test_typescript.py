"""The TypeScript SDK on a whole node: its combinators, suspended and woken."""

from __future__ import annotations

import shutil
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.benchmark.services import installed_sdk
from shared.errors import EverlogError
from tests.conftest import eventually, free_ports
from tests.processes.node import running_node
from tests.processes.test_features import Client, Waiting, fresh

pytestmark = [pytest.mark.slow, pytest.mark.processes, pytest.mark.timeout(300)]

_SERVICE = Path(__file__).with_name("typescript_service.mjs")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node or npm is missing: the TypeScript SDK is NOT tested")
    folder = tmp_path_factory.mktemp("typescript")
    try:
        sdk = installed_sdk(npm)
    except (OSError, EverlogError) as error:
        pytest.skip(f"the TypeScript SDK cannot be installed and is NOT tested: {error}")
    for name in ("node_modules", "polyfill.mjs", "package.json"):
        (folder / name).symlink_to(sdk / name)
    shutil.copy(_SERVICE, folder)
    (port,) = free_ports(1)
    with (folder / "log").open("ab") as log:
        service = subprocess.Popen([node, _SERVICE.name, str(port)], cwd=folder, stdout=log, stderr=log)
    try:
        with running_node(partitions=2, workers=1) as everlog:
            eventually(lambda: _listens(port), 20, what=f"the service listens: {(folder / 'log').read_text()}")
            client = Client(everlog)
            status, answer, _ = client.request("/deployments", {"uri": f"http://127.0.0.1:{port}"}, base=everlog.admin)
            assert status == 201, answer
            yield client
    finally:
        service.kill()
        service.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize(
    ("handler", "completions", "awaited", "result"),
    [
        ("all", [(1, "b"), (0, "a")], [[1, 17, 18], [1, 17]], ["a", "b"]),
        ("allSettled", [(0, "a"), (1, None)], [[1, 17, 18], [1, 18]], ["fulfilled", "rejected"]),
        ("any", [(0, None), (1, "b")], [[1, 17, 18], [1, 18]], "b"),
        ("race", [(1, "b")], [[1, 17, 18]], "b"),
        ("nested", [(1, "b"), (2, "c")], [[1, 17, 18, 19], [1, 19]], ["b", "c"]),
        ("mapped", [(1, "b"), (0, "a")], [[1, 17, 18], [1, 17]], ["a!", "b"]),
    ],
)
def test_a_combinator_is_suspended_and_woken(
    client: Client,
    handler: str,
    completions: list[tuple[int, str | None]],
    awaited: list[list[int]],
    result: object,
) -> None:
    """`None` rejects. After each completion but the last the invocation waits for what is left."""
    waiting = Waiting(client, f"TsCombine/{handler}", "TsBox")
    for (which, value), signals in zip(completions, awaited, strict=True):
        eventually(
            lambda signals=signals: sorted(waiting.suspended()["suspended_waiting_for_signals"]) == signals,
            20,
            what=f"it waits for {signals}",
        )
        assert waiting.row()["pinned_service_protocol_version"] == 7
        waiting.complete(which, value or "no", "resolve" if value else "reject")
    assert waiting.result() == result


def test_a_failure_ends_all_at_once(client: Client) -> None:
    waiting = Waiting(client, "TsCombine/all", "TsBox")
    waiting.suspended()
    waiting.complete(1, "no", "reject")
    status, answer, _ = client.request(f"/restate/invocation/{waiting.id}/attach")
    assert status == 500, answer


def test_steps_are_acknowledged_and_found_again(client: Client) -> None:
    assert client.call("/TsCombine/steps", "x") == ["x-1", "x-2", "x-3"]


def test_state_and_calls(client: Client) -> None:
    key = fresh()
    client.request(f"/TsBox/{key}/put", ["a", {"b": 1}])
    assert client.call(f"/TsBox/{key}/look", "a") == {"b": 1}


@pytest.mark.parametrize(
    ("operation", "serde", "body", "status", "told"),
    [
        ("decode", "greet/input", b'P:{"a":[1]}', 200, b'{"a":[1]}'),
        ("encode", "greet/input", b'{"a":[1]}', 200, b'P:{"a":[1]}'),
        ("decode", "greet/output", b'P:"x"', 200, b'"x"'),
        ("decode", "greet/input", b"P:no json", 500, None),
        ("decode", "greet/nothing", b"x", 500, None),
        ("decode", "plain/input", b'"x"', 500, None),
    ],
)
def test_previews_of_values(
    client: Client, operation: str, serde: str, body: bytes, status: int, told: bytes | None
) -> None:
    url = f"{client.node.admin}/internal/services/TsPreview/serdes/{operation}/{serde}"
    if told is None:
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(urllib.request.Request(url, body), timeout=30)
        with caught.value as error:
            assert error.code == status
        return
    with urllib.request.urlopen(urllib.request.Request(url, body), timeout=30) as response:
        assert (response.status, response.read()) == (status, told)


def test_calls_within_a_scope(client: Client) -> None:
    scope = f"ts-{fresh()}"
    told = client.call(f"/restate/scope/{scope}-caller/call/TsScope/callees", scope, x_restate_limit_key="a")
    assert told == {
        "plain": {},
        "scoped": {"scope": scope},
        "limited": {"scope": scope, "limitKey": "gold/eu"},
        "object": "of the scope",
    }
    rows = client.sql(f"SELECT scope, value_utf8 FROM state WHERE service_key = 'shared' AND scope = '{scope}'")
    assert rows == [{"scope": scope, "value_utf8": '"of the scope"'}]
