"""The ingress, asked for everything that the description of each service allows, and for what it does not.

The services end at once: what is behind the ingress is a worker of the test's. `EVERLOG_TEST_FUZZ=500 scripts/test
tests/fuzz/test_ingress.py -n 0` for a long run.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
import uvloop

from metad.admin.service_openapi import service_openapi
from shared.wal.commands import Invoke, Result
from tests.fakes.partition_worker import canned_result
from tests.fuzz.harness import Response, examples, fuzz
from tests.partitiond.ingress.catalogs import discovered
from tests.partitiond.ingress.goldens import read_goldens
from tests.partitiond.ingress.harness import Ingress

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

_EXAMPLES = 1
#: Each operation costs schemathesis most of a second of CPU: the others have their turn in a long run.
_SHORT = ("/restate/call/IngObj/{key}/add", "/restate/send/IngObj/{key}/add")
_NAMES = {"key": ["k", "w"], "idempotencyKey": ["i"], "delay": ["1s", "PT1H"]}


def test_no_500_and_no_hang(tmp_path: Path) -> None:
    catalog = discovered(json.dumps(read_goldens().manifest).encode())
    is_long = examples(0) > 0

    async def main() -> int:
        async with Ingress(tmp_path, catalog=catalog, answer=canned_result(_result)) as ingress:
            base = f"http://127.0.0.1:{ingress.settings.ingress_port}"
            sent = 0
            for service in catalog.services.values():
                document = service_openapi(service, base)
                if not is_long:
                    document["paths"] = {path: document["paths"][path] for path in _SHORT if path in document["paths"]}
                sent += await asyncio.to_thread(
                    fuzz,
                    document,
                    base,
                    examples=examples(_EXAMPLES),
                    names=_NAMES,
                    allowed=_is_known,
                )
            assert (await ingress.request("GET", "/restate/health")).status == 200
            return sent

    assert uvloop.run(main()) > 0


def _result(invoke: Invoke) -> Result:
    """Of the kind that the handler is described to answer."""
    return b'[["a", "b"]]' if invoke.target.handler == "headers" else b'"done"'


def _is_known(response: Response) -> bool:
    """A body that is no target is answered 500, for clients know it so; nothing else is."""
    return response.status_code == 500 and "invalid request body" in response.text
