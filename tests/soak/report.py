"""What the soak prints. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median

from tests.soak.chaos import Chaos
from tests.soak.clients import Clients
from tests.soak.replica import Replicas
from tests.soak.watch import Sample

__all__ = ["final_table", "progress_line"]

_SLICES = 10


def progress_line(now: Sample, clients: Clients, chaos: Chaos) -> str:
    """Such as `  35 s | 4210 calls, 33 sent again | 8 kills, last: kill logd | …`."""
    kills = sum(count for act, count in chaos.done.items() if act.startswith("kill"))
    restarts = chaos.done.total() - kills
    return (
        f"{now.seconds:5.0f} s | {now.calls} calls, {clients.again} sent again | {kills} kills, {restarts} restarts, "
        f"last: {chaos.last or '-'} | MB on disk: {_sizes(now.disk)} | MB in memory: {_sizes(now.memory)}"
    )


def final_table(samples: Sequence[Sample], clients: Clients, chaos: Chaos, replicas: Replicas, seconds: float) -> str:
    """Counts, then disk and memory over time."""
    kills = {act.removeprefix("kill "): n for act, n in sorted(chaos.done.items()) if act.startswith("kill")}
    restarts = {act.removeprefix("restart "): n for act, n in sorted(chaos.done.items()) if act.startswith("restart")}
    findings = clients.findings
    lines = [
        "",
        f"time       {seconds / 60:.1f} minutes",
        f"calls      {clients.total} answered ({_counts(clients.answered)}), {clients.again} requests sent again",
        f"kill -9    {sum(kills.values())} ({_counts(kills)})",
        f"restarts   {sum(restarts.values())} ({_counts(restarts)})",
        f"lost       {len(findings.lost)}",
        f"repeated   {len(findings.repeated)}",
        f"wrong      {len(findings.wrong)}",
        f"digests    {replicas.compared} times a replay of the log was compared with a store, {len(replicas.problems)} "
        f"problems (unequal, an invariant broken, nobody to wake who waits); {replicas.rows} rows at the end; "
        f"{replicas.copies} replicas begun anew from a copy",
        f"log        found trimmed up to lsn {replicas.trimmed_to}",
        "",
        "minutes      calls/s  disk MB, median: log  stores  logs   memory MB, median (highest)",
    ]
    lines += [_slice(part) for part in _parts(samples) if part]
    return "\n".join(lines)


def _parts(samples: Sequence[Sample]) -> Iterable[Sequence[Sample]]:
    count = max(1, -(-len(samples) // _SLICES))
    for at in range(0, len(samples), count):
        yield samples[at : at + count + 1]


def _slice(part: Sequence[Sample]) -> str:
    first, last = part[0], part[-1]
    rate = (last.calls - first.calls) / max(1.0, last.seconds - first.seconds)
    disk = [median(sample.disk[name] for sample in part) for name in ("log", "partitions", "logs")]
    names = sorted({name for sample in part for name in sample.memory})
    memory = {name: [sample.memory[name] for sample in part if name in sample.memory] for name in names}
    cells = ", ".join(f"{name} {median(sizes):.0f} ({max(sizes):.0f})" for name, sizes in memory.items())
    span = f"{first.seconds / 60:4.1f}-{last.seconds / 60:4.1f}"
    return f"{span:<12} {rate:7.1f} {disk[0]:20.1f} {disk[1]:7.1f} {disk[2]:5.1f}   {cells}"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def _sizes(sizes: dict[str, float]) -> str:
    return " ".join(f"{name} {size:.0f}" for name, size in sizes.items()) or "-"
