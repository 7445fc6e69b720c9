"""Fixture `run`: a coroutine on each event loop, with a deadline; errors the loop swallowed fail the test."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

DEADLINE_S = 20.0

Main = Callable[[], Coroutine[Any, Any, None]]


@pytest.fixture(params=["uvloop", "asyncio"])
def run(request: pytest.FixtureRequest) -> Callable[[Main], None]:
    def runner(main: Main) -> None:
        async def bounded() -> None:
            swallowed: list[dict[str, Any]] = []
            asyncio.get_running_loop().set_exception_handler(lambda _, context: swallowed.append(context))
            async with asyncio.timeout(DEADLINE_S):
                await main()
            assert not swallowed
            left = asyncio.all_tasks() - {asyncio.current_task()}
            if left:  # Handshakes that the loop itself runs for a server end soon after their sockets.
                _, left = await asyncio.wait(left, timeout=1)
            assert not left

        if request.param == "uvloop":
            uvloop.run(bounded())
        else:
            asyncio.run(bounded())

    return runner
