"""Steps: acknowledged before the handler goes on, retried by their own policy."""

from __future__ import annotations

import pytest

from tests.compat.sdk_suites.client import Client, fresh
from tests.compat.sdk_suites.conftest import Suite

pytestmark = [pytest.mark.slow, pytest.mark.processes, pytest.mark.timeout(180)]
CONFIGURATIONS = ("default", "alwaysSuspending", "singlePartition", "requestResponse")


def test_flush(suite: Suite, client: Client) -> None:
    """When each wait suspends, the count in memory is lost: 0 steps were run by the attempt that answers."""
    executed = client.call("/TestUtilsService/countExecutedSideEffects", 3).result()
    assert executed == (0 if suite.configuration in ("alwaysSuspending", "requestResponse") else 3)


def test_it_is_retried_until_it_succeeds(client: Client) -> None:
    assert client.call(f"/Failing/{fresh()}/sideEffectSucceedsAfterGivenAttempts", 3).result() >= 3


@pytest.mark.parametrize("attempts", [1, 3])
def test_it_is_retried_until_its_attempts_are_exhausted(client: Client, attempts: int) -> None:
    assert client.call(f"/Failing/{fresh()}/sideEffectFailsAfterGivenAttempts", attempts).result() >= attempts
