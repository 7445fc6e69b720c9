"""The admin API, asked for everything that its own description allows, and for what it does not.

`EVERLOG_TEST_FUZZ=300 scripts/test tests/fuzz/test_admin.py -n 0` for a long run.
"""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from tests.compat.admin.sdk_services import sdk_process
from tests.fuzz.harness import Case, Response, examples, fuzz
from tests.metad.harness import Deployments, manifest, service
from tests.processes.node import Node, running_node

_EXAMPLES = 3
#: Of discovery, as Restate answers it: it is the deployment that fails.
_DISCOVERY = ("META0003", "META0012", "META0013", "META0014", None)
_NOBODY = "http://127.0.0.1:1/"

pytestmark = [pytest.mark.slow, pytest.mark.processes, pytest.mark.timeout(3600)]


def test_no_500_and_no_hang() -> None:
    with sdk_process() as sdk, running_node(partitions=2, workers=1) as node:
        sent = asyncio.run(_fuzzed(node, sdk))
    print(f"{sent} requests")
    assert sent > 50


async def _fuzzed(node: Node, sdk: str) -> int:
    """In a thread, while this loop serves what is registered."""
    deployments = Deployments()
    async with deployments.serving(), aiohttp.ClientSession() as session:
        uris = [sdk, *(deployments.put(name, manifest(service(name.title()))) for name in ("one", "two"))]
        names = await _names(node, session, uris)
        async with session.get(f"{node.admin}/openapi") as reply:
            document = await reply.json()
        return await asyncio.to_thread(
            fuzz,
            document,
            node.admin,
            examples=examples(_EXAMPLES),
            names=names,
            edit=lambda case: _at_home(case, uris),
            allowed=_is_honest,
            last=("delete_deployment",),
        )


async def _names(node: Node, session: aiohttp.ClientSession, uris: list[str]) -> dict[str, list[str]]:
    """Ids and names that the node knows: registered, invoked."""
    ids = []
    for uri in uris:
        async with session.post(f"{node.admin}/deployments", json={"uri": uri}) as reply:
            ids.append((await reply.json())["id"])
    invocations = []
    for path in ("Greeter/greet", "Greeter/wait", "Counter/key/add", "Signup/key/run"):
        for delay in ("", "?delay=1h"):
            async with session.post(f"{node.ingress}/{path}/send{delay}", json="you") as reply:
                invocations.append(reply.headers["x-restate-id"])
    return {
        "deployment": [*ids, "latest", "keep"],
        "service": ["Greeter", "Counter", "Signup", "One"],
        "handler": ["greet", "wait", "add", "run"],
        "invocation_id": invocations,
        "from": ["0", "1", "2"],
        "mode": ["cancel", "kill", "purge"],
        "force": ["true", "false"],
    }


def _at_home(case: Case, uris: list[str]) -> None:
    """No host but this one is asked for a manifest: others may never answer."""
    body: Any = case.body
    if isinstance(body, dict) and isinstance(body.get("uri"), str) and "://" in body["uri"]:
        case.body = body | {"uri": (*uris, _NOBODY)[len(body["uri"]) % (len(uris) + 1)]}


def _is_honest(response: Response) -> bool:
    if response.status_code == 501:
        return True
    told = response.json()
    return response.status_code == 500 and told["restate_code"] in _DISCOVERY and "internal" not in told["message"]
