"""A kill ends the whole tree of calls and frees its objects."""

from __future__ import annotations

import pytest

from tests.compat.sdk_suites.client import Client, fresh, until

pytestmark = [pytest.mark.slow, pytest.mark.processes, pytest.mark.timeout(180)]
CONFIGURATIONS = ("default", "alwaysSuspending", "singlePartition", "requestResponse")


def test_kill(client: Client) -> None:
    key = fresh()
    sent = client.send(f"/KillTestRunner/{key}/startCallTree")
    until(lambda: client.call(f"/AwakeableHolder/{key}/hasAwakeable", key=None).result(), what="the tree is there")
    client.call(f"/AwakeableHolder/{key}/unlock", "cancel").result()
    assert client.verb(sent.id, "kill").status == 200
    # It waits for its turn until the tree is gone.
    assert client.call(f"/KillTestSingleton/{key}/isUnlocked", key=None).status == 200
    answer = sent.attach()
    assert answer.status == 409, answer.body
