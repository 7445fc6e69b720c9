"""A worker that has no file descriptor left for one more connection."""

from __future__ import annotations

import pytest
import uvloop

from partitiond.invoker.connect import open_endpoint
from partitiond.invoker.http2.errors import ErrorKind
from partitiond.invoker.http2.request import RequestHead
from shared.config import Settings
from shared.transport.outbound import Outbound
from tests.fakes.descriptors import no_descriptors
from tests.fakes.recording_service import recording_service
from tests.partitiond.invoker.http2.recorder import Recorder

_HEAD = RequestHead("POST", "/invoke/Rec/plain", (("content-type", "application/vnd.restate.invocation.v6"),))


@pytest.mark.parametrize("http1", [False, True])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_attempt_fails_with_the_reason_and_the_next_one_may_succeed(http1: bool, host: str) -> None:
    async def scene(port: str) -> None:
        endpoint = open_endpoint((http1, "http", f"{host}:{port}"), Outbound(Settings()))
        with no_descriptors():
            told = Recorder()
            endpoint.request(_HEAD, told, b"body", end=True)
            await told.done()
        assert told.error is not None
        assert (told.error.kind, told.error.sent) == (ErrorKind.CONNECT, False)
        assert told.error.message.startswith(f"cannot connect to http://{host}:{port}: ")
        assert "Too many open files" in told.error.message
        told = Recorder()
        endpoint.request(_HEAD, told, b"body", end=True)
        await told.done()
        assert (told.error, told.status) == (None, 200)
        await endpoint.close()

    with recording_service() as service:
        uvloop.run(scene(service.uri.rpartition(":")[2]))
