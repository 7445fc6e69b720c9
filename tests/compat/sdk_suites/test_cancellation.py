"""A cancel reaches what blocks on a call, a sleep or an awakeable, and frees the objects of the whole tree."""

from __future__ import annotations

import pytest

from tests.compat.sdk_suites.client import Client, fresh, until
from tests.compat.sdk_suites.requests import proxied

pytestmark = [pytest.mark.slow, pytest.mark.processes, pytest.mark.timeout(180)]
CONFIGURATIONS = ("default", "alwaysSuspending", "singlePartition", "requestResponse")
OPERATIONS = ("CALL", "SLEEP", "AWAKEABLE")


def unlock(client: Client, key: str) -> None:
    """Let the blocking handler go on once it is there."""
    until(lambda: client.call(f"/AwakeableHolder/{key}/hasAwakeable", key=None).result(), what="its awakeable is held")
    client.call(f"/AwakeableHolder/{key}/unlock", "cancel").result()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_cancel_from_admin_api(client: Client, operation: str) -> None:
    key = fresh()
    sent = client.send(f"/CancelTestRunner/{key}/startTest", operation)
    unlock(client, key)

    def is_cancelled() -> bool:
        # It may come before the call that is to be cancelled, so it is repeated.
        assert client.verb(sent.id, "cancel").status in (200, 202, 404, 409)
        return bool(client.call(f"/CancelTestRunner/{key}/verifyTest", key=None).result())

    until(is_cancelled, what="the runner saw the cancellation")
    assert client.call(f"/CancelTestBlockingService/{key}/isUnlocked", key=None).status == 200


@pytest.mark.parametrize("operation", OPERATIONS)
def test_cancel_from_context(client: Client, operation: str) -> None:
    key = fresh()
    request = proxied("CancelTestRunner", "startTest", operation, key=key)
    invocation_id = client.call("/Proxy/oneWayCall", request).result()
    unlock(client, key)

    def is_cancelled() -> bool:
        client.call("/TestUtilsService/cancelInvocation", invocation_id).result()
        return bool(client.call(f"/CancelTestRunner/{key}/verifyTest").result())

    until(is_cancelled, what="the runner saw the cancellation")
    assert client.call(f"/CancelTestBlockingService/{key}/isUnlocked", key=None).status == 200
