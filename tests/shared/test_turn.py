"""Writes that wait for the end of a turn."""

from __future__ import annotations

import asyncio

import pytest

from shared.turn import Turn


def test_all_are_called_once_at_the_end_of_the_turn() -> None:
    async def main() -> None:
        turn = Turn()
        called: list[str] = []
        turn.add(lambda: called.append("a"))
        turn.add(lambda: called.append("b"))
        assert called == []
        await asyncio.sleep(0)
        assert called == ["a", "b"]
        await asyncio.sleep(0)
        assert called == ["a", "b"]

    asyncio.run(main())


def test_what_is_written_now_is_not_written_again() -> None:
    async def main() -> None:
        turn = Turn()
        called: list[str] = []
        turn.add(lambda: called.append("a"))
        turn.write_now()
        assert called == ["a"]
        turn.add(lambda: called.append("b"))
        await asyncio.sleep(0)
        assert called == ["a", "b"]

    asyncio.run(main())


def test_what_a_flush_adds_is_written_too() -> None:
    async def main() -> None:
        turn = Turn()
        called: list[str] = []
        turn.add(lambda: turn.add(lambda: called.append("later")))
        turn.write_now()
        assert called == ["later"]

    asyncio.run(main())


def test_one_that_raises_does_not_keep_the_others_from_writing() -> None:
    async def main() -> None:
        turn = Turn()
        called: list[str] = []
        raised: list[BaseException] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: raised.append(context["exception"]))

        def broken() -> None:
            raise ValueError("broken")

        turn.add(broken)
        turn.add(lambda: called.append("a"))
        with pytest.raises(ValueError, match="broken"):
            turn.write_now()
        turn.add(broken)
        turn.add(lambda: called.append("b"))
        for _ in range(3):
            await asyncio.sleep(0)
        assert called == ["a", "b"]
        assert [str(error) for error in raised] == ["broken"]

    asyncio.run(main())
