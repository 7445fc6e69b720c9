"""The loads: functions of a bench and of sizes, which fail when the outcome is not what it must be. Owns: nothing."""

from __future__ import annotations

import time
from typing import Any

from scripts.burden.bench import Bench

__all__ = [
    "deaf",
    "flood",
    "greedy",
    "journal",
    "killed",
    "naps",
    "running",
    "slow",
    "starts",
    "state",
    "suspended",
]

_MB = 1_000_000


async def flood(bench: Bench, *, calls: int, mb: int) -> None:
    """Services send results faster than the log takes them."""

    async def one(_: int) -> Any:
        return await bench.call("Burden/flood", values=mb * 10, bytes=_MB // 10)

    assert await bench.many(one, calls) == ["flooded"] * calls


async def deaf(bench: Bench, *, calls: int, mb: int) -> None:
    """Services send, and read nothing of what comes back."""
    sent = await bench.many(lambda _: bench.send("Burden/deaf", values=mb * 10, bytes=_MB // 10), calls)
    await bench.until(lambda: _length(bench, sent, 1 + 2 * 10 * mb))
    await bench.call("Burden/release")
    assert [await bench.result(each) for each in sent] == ["held"] * calls


async def _length(bench: Bench, sent: list[str], length: int) -> bool:
    ids = ", ".join(f"'{each}'" for each in sent)
    rows = await bench.sql(f"SELECT journal_size AS n FROM sys_invocation WHERE id IN ({ids})")
    return all(row["n"] >= length for row in rows)


async def slow(bench: Bench, *, calls: int, mb: int) -> None:
    """Services that read a byte a second are given long inputs; then they are killed."""
    sent = await bench.many(lambda _: bench.send("Slow/echo", padding="p" * (mb * _MB)), calls)
    await bench.until(lambda: _running(bench, "Slow", calls))
    for each in sent:
        await bench.operate(each, "kill")


async def _running(bench: Bench, service: str, count: int) -> bool:
    return await bench.count(f"status = 'running' AND target_service_name = '{service}'") >= count


async def state(bench: Bench, *, values: int, value_bytes: int = _MB) -> None:
    """Much state, written, read back from a partial map and lazily, and cleared."""
    key = bench.fresh_key()
    assert await bench.call(f"Store/{key}/fill", values=values, bytes=value_bytes) == "filled"
    total, _ = await bench.call(f"Store/{key}/look", values=values)
    assert total == values * value_bytes
    assert await bench.call(f"Store/{key}/clear") == "cleared"
    assert await bench.call(f"Store/{key}/look", values=0) == [0, 0]


async def greedy(bench: Bench, *, values: int, value_bytes: int = _MB) -> None:
    """All of a large state is asked for at once, and not read."""
    key = bench.fresh_key()
    assert await bench.call(f"Store/{key}/fill", values=values, bytes=value_bytes) == "filled"
    sent = await bench.send(f"Store/{key}/greedy", values=values)
    await bench.until(lambda: _length(bench, [sent], 1 + 2 * values))
    await bench.call("Burden/release")
    assert await bench.result(sent) == "held"


async def starts(bench: Bench, *, calls: int, values: int, value_bytes: int = _MB) -> None:
    """Objects with a large eager state are called at once."""
    keys = [bench.fresh_key() for _ in range(calls)]

    async def fill(number: int) -> Any:
        return await bench.call(f"Store/{keys[number]}/fill", values=values, bytes=value_bytes)

    for number in range(calls):
        assert await fill(number) == "filled"

    async def look(number: int) -> Any:
        return (await bench.call(f"Store/{keys[number]}/look", values=values))[0]

    assert await bench.many(look, calls) == [values * value_bytes] * calls


async def journal(bench: Bench, *, entries: int) -> None:
    """A long journal: made, suspended on, read by SQL, replayed, and purged."""
    sent = await bench.send("Burden/journal", entries=entries)
    await bench.until(lambda: _is(bench, sent, "suspended"))
    rows = await bench.sql(f"SELECT COUNT(*) AS n, SUM(raw_length) AS b FROM sys_journal WHERE id = '{sent}'")
    assert rows[0]["n"] == entries + 1
    await bench.wake(sent)
    assert await bench.result(sent) == entries + 1
    await bench.operate(sent, "purge")
    assert not await bench.sql(f"SELECT id FROM sys_journal WHERE id = '{sent}' LIMIT 1")


async def killed(bench: Bench, *, entries: int) -> None:
    """A long journal is killed, and its rest purged."""
    sent = await bench.send("Burden/journal", entries=entries)
    await bench.until(lambda: _is(bench, sent, "suspended"))
    await bench.operate(sent, "kill")
    await bench.until(lambda: _is(bench, sent, "completed"))
    await bench.operate(sent, "purge")
    await bench.until(lambda: _no_journal(bench, sent))


async def _no_journal(bench: Bench, invocation: str) -> bool:
    return not await bench.sql(f"SELECT id FROM sys_journal WHERE id = '{invocation}' LIMIT 1")


async def _is(bench: Bench, invocation: str, status: str) -> bool:
    rows = await bench.sql(f"SELECT status FROM sys_invocation WHERE id = '{invocation}'")
    return bool(rows) and rows[0]["status"] == status


async def suspended(bench: Bench, *, calls: int) -> None:
    """Many invocations asleep at once, then all woken."""
    sent = await bench.many(lambda _: bench.send("Burden/wait"), calls)
    await bench.until(lambda: _suspended(bench, calls))
    await bench.many(lambda number: bench.wake(sent[number]), calls)
    assert await bench.many(lambda number: bench.result(sent[number]), calls) == ["woken"] * calls


async def _suspended(bench: Bench, count: int) -> bool:
    return await bench.count("status = 'suspended'") >= count


async def naps(bench: Bench, *, calls: int, within_s: int = 20) -> None:
    """Many sleepers due at the same moment."""
    until_ms = int((time.time() + within_s) * 1000)
    sent = await bench.many(lambda _: bench.send("Burden/nap", until_ms=until_ms), calls)
    assert await bench.many(lambda number: bench.result(sent[number]), calls) == ["slept"] * calls


async def running(bench: Bench, *, calls: int) -> None:
    """Many attempts at once, whatever partitions they fall on."""
    sent = await bench.many(lambda _: bench.send("Burden/hold"), calls)
    await bench.until(lambda: _held(bench, calls), within_s=60.0)
    await bench.call("Burden/release")
    assert await bench.many(lambda number: bench.result(sent[number]), calls) == ["held"] * calls


async def _held(bench: Bench, count: int) -> bool:
    """The service says how many it holds; that call itself needs a place, so it may have to wait for one."""
    return int(await bench.call("Burden/held")) >= count
