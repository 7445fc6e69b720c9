"""One simulation from its seed to its report, and smaller ones of a failure."""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from shared.storage import keys, values
from tests.simulation import checkers
from tests.simulation.checkers import BrokenError
from tests.simulation.clients import Clients
from tests.simulation.cluster import Cluster
from tests.simulation.demon import Demon
from tests.simulation.loop import ClusterLoop
from tests.simulation.plan import FAULTS, Plan

__all__ = ["Report", "shrink", "simulate_plan"]

#: Simulated seconds that clients may take once all is well.
_CALM_S = 90.0


@dataclass
class Report:
    """How it went. `broken`: the property, `text`: the sentence; both empty when all is well."""

    plan: Plan
    steps: int = 0
    trace: str = ""
    simulated_s: float = 0.0
    cpu_s: float = 0.0
    records: int = 0
    requests: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    checks: Counter[str] = field(default_factory=Counter)
    broken: str = ""
    text: str = ""

    @property
    def command(self) -> str:
        return self.plan.command


def simulate_plan(plan: Plan) -> Report:
    """Never raises for what the simulation finds."""
    report = Report(plan)
    started = time.process_time()
    loop = ClusterLoop(seconds_max=5000.0, seed=plan.seed)
    logging.disable(logging.CRITICAL)
    try:
        cluster = _simulate(plan, loop, report)
    finally:
        logging.disable(logging.NOTSET)
        loop.finish()
    report.steps = loop.steps
    report.simulated_s = loop.time()
    report.cpu_s = time.process_time() - started
    record = cluster.record
    report.faults, report.checks = record.faults, record.checks
    report.records = sum(len(reference.batches) for reference in record.references.values())
    record.note([reference.digests for reference in record.references.values()], loop.steps)
    report.trace = record.trace
    return report


def _simulate(plan: Plan, loop: ClusterLoop, report: Report) -> Cluster:
    async def main() -> None:
        nonlocal cluster
        cluster = Cluster(plan, loop)
        with cluster:
            clients = Clients(cluster)
            life = loop.create_task(_live(cluster, clients))
            await asyncio.wait({life, cluster.finding}, return_when=asyncio.FIRST_COMPLETED)
            report.requests = len(clients.answered)
            # Whatever was found first counts: what follows from it is noise.
            await (cluster.finding if cluster.finding.done() else life)

    cluster: Any = None
    try:
        loop.run_until_complete(main())
    except BrokenError as error:
        report.broken, report.text = error.property, str(error)
    except Exception as error:
        report.broken, report.text = "program", "".join(traceback.format_exception(error))
    return cluster  # type: ignore[no-any-return]


async def _live(cluster: Cluster, clients: Clients) -> None:
    """Load with faults, then calm, then every client's view is compared with what is stored."""
    cluster.start_all()
    demon = Demon(cluster)
    faults = cluster.loop.create_task(demon.run())
    load = cluster.loop.create_task(clients.run())
    await asyncio.wait({load, faults}, return_when=asyncio.FIRST_COMPLETED)
    if not faults.done():
        faults.cancel()
        load.result()
    else:
        faults.result()
    demon.end()
    try:
        async with asyncio.timeout(_CALM_S):
            await load
            await clients.ask_again()
    except TimeoutError:
        cluster.record.check_wakers()
        cluster.record.check("reply.lost", f"no answer within {_CALM_S} s of calm: {sorted(clients.open)[:8]}")
    await _quiet(cluster)
    # Whatever is kept for a moment has expired by then, and the cleaner has been there.
    await asyncio.sleep(35.0)
    await _quiet(cluster)
    for reference in cluster.record.references.values():
        cluster.record.check("machine.invariants", checkers.machine_invariants(reference.store))
        cluster.record.check("end.leftovers", checkers.nothing_left_over(reference.store))
    cluster.record.check_wakers()
    clients.check()


async def _quiet(cluster: Cluster) -> None:
    """Until nothing runs, sleeps, or is on its way, and every replica is where the log ends."""
    deadline = cluster.loop.time() + _CALM_S
    while any(_busy(reference.store) for reference in cluster.record.references.values()) or _behind(cluster):
        if cluster.loop.time() > deadline:
            cluster.record.check_wakers()
            cluster.record.check("end.leftovers", f"still busy after {_CALM_S} s: {list(_behind_names(cluster))}")
        await asyncio.sleep(0.5)


def _busy(store: Any) -> bool:
    rows = (values.decode_invocation(value) for _, value in store.scan(keys.INVOCATION, keys.JOURNAL))
    return any(row.result is None for row in rows) or any(True for _ in store.scan(keys.TIMER, keys.DEDUP))


def _behind(cluster: Cluster) -> bool:
    return any(True for _ in _behind_names(cluster))


def _behind_names(cluster: Cluster) -> Iterator[str]:
    for name, node in cluster.nodes.items():
        for number, reference in cluster.record.references.items():
            processors = {} if node.worker is None else node.worker._processors
            at = processors[number].applied_lsn if number in processors else -1
            if at < reference.tail_lsn:
                yield f"{name} is at LSN {at} of {reference.tail_lsn} in partition {number}"


def shrink(report: Report, tell: Callable[[str], None] = lambda text: None, *, tries: int = 60) -> Report:
    """A smaller plan that breaks the same property: fewer clients, requests, faults and kinds of faults."""
    smallest = report
    left = tries
    while left > 0:
        for plan in _smaller(smallest):
            left -= 1
            found = simulate_plan(plan)
            if found.broken == report.broken:
                smallest = found
                tell(found.command)
                break
            if left <= 0:
                break
        else:
            break
    return smallest


def _smaller(report: Report) -> Iterator[Plan]:
    plan = report.plan
    for divisor in (4, 2):
        for name in ("faults", "clients", "requests"):
            less = getattr(plan, name) // divisor
            if less < getattr(plan, name) and (less > 0 or name == "faults"):
                yield replace(plan, **{name: less})
    for kind in FAULTS:
        if report.faults[kind]:
            yield replace(plan, without=(*plan.without, kind))
    for name in ("faults", "clients", "requests"):
        if getattr(plan, name) > 1:
            yield replace(plan, **{name: getattr(plan, name) - 1})
