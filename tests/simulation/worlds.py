"""The worlds of tests/partitiond/simulation and tests/programs under the same command.

Their log is ordered without Raft, which makes them fast; their demon, services and checks are their own.
"""

from __future__ import annotations

import contextlib
import io
import random
import time
import traceback

from tests.fakes.sim_loop import simulate
from tests.partitiond.simulation.checks import check, check_scopes
from tests.partitiond.simulation.world import World
from tests.programs.language import make_program
from tests.programs.lives import live as live_programs
from tests.simulation.plan import Plan
from tests.simulation.run import Report, simulate_plan

__all__ = ["simulate_world"]


def simulate_world(plan: Plan) -> Report:
    """Whichever the plan names. Never raises for what it finds."""
    if plan.world == "cluster":
        return simulate_plan(plan)
    report = Report(plan)
    started = time.process_time()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            world = _live(plan)
    except Exception as error:
        report.broken, report.text = "program", "".join(traceback.format_exception(error))
    else:
        report.records = sum(len(group.batches) for group in world.log.disk.groups.values())
        report.requests = len(world.acknowledged)
        report.faults["kill"] = world.crashes
        report.checks["machine.wakers"] = world.waker_checks
    report.cpu_s = time.process_time() - started
    return report


def _live(plan: Plan) -> World:
    if plan.world == "programs":
        chooser = random.Random(plan.seed)
        return live_programs(plan.seed, [make_program(chooser) for _ in range(40)])
    world = World(plan.seed, scoped=plan.world == "scopes")
    simulate(world.run(clients=6, requests=20))
    check(world)
    if plan.world == "scopes":
        check_scopes(world)
    return world
