"""Wiring: builds the parts, starts and drains them. Owns: the daemon's life."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from metad.admin.absent import AbsentRoutes
from metad.admin.app import AdminServer, make_app
from metad.admin.batches import BatchRoutes
from metad.admin.deployments import DeploymentRoutes
from metad.admin.health import HealthRoutes
from metad.admin.invocations import InvocationRoutes
from metad.admin.limits import LimitRoutes
from metad.admin.operator import Operator
from metad.admin.query import QueryRoutes
from metad.admin.serdes import SerdesRoutes
from metad.admin.services import ServiceRoutes
from metad.admin.state import StateRoutes
from metad.admin.version import VersionRoutes, ingress_endpoint
from metad.cluster.readiness import Readiness
from metad.meta_log import MetaLog
from metad.publisher import Publisher
from metad.registry.commands import CreatePartitionTable
from metad.registry.state import RegistryState
from shared.clock import SystemClock
from shared.config import Settings
from shared.errors import UnavailableError
from shared.transport.outbound import Outbound

__all__ = ["serve"]

_log = logging.getLogger(__name__)
_BOOTSTRAP_TIMEOUT_S = 30.0
_BOOTSTRAP_PAUSE_S = 1.0


async def serve(settings: Settings, stopping: asyncio.Event) -> None:
    """Run until `stopping`. Raises when the log holds what this build cannot read, or ConfigError."""
    outbound = Outbound(settings)
    if outbound.identity is not None:
        _log.info("requests to services are signed; their identity key is %s", outbound.identity.public_key)
    publisher = Publisher(settings)
    defaults = settings.handler_defaults

    def on_change(state: RegistryState) -> None:
        catalog = state.catalog(defaults)
        if catalog is not None:
            publisher.publish(catalog)

    meta_log = MetaLog(settings, on_change=on_change)
    readiness = Readiness(settings, meta_log)
    operator = Operator(settings, meta_log)
    queries = QueryRoutes(settings)
    resources = (
        DeploymentRoutes(meta_log, SystemClock(), outbound, defaults),
        ServiceRoutes(meta_log, defaults, ingress=ingress_endpoint(settings)),
        StateRoutes(meta_log, operator, SystemClock()),
        SerdesRoutes(meta_log, outbound, SystemClock()),
        LimitRoutes(meta_log, SystemClock()),
        InvocationRoutes(operator),
        BatchRoutes(operator),
        queries,
        HealthRoutes(readiness, cluster=settings.cluster_name),
        AbsentRoutes(),
        VersionRoutes(settings),
    )
    admin = AdminServer(settings, make_app(route for resource in resources for route in resource.routes()))
    await admin.start()
    await publisher.start()
    meta_log.start()
    bootstrap = asyncio.create_task(_create_partition_table(meta_log, settings), name="bootstrap")
    stop = asyncio.create_task(stopping.wait(), name="stop")
    ends: set[asyncio.Future[Any]] = {stop, meta_log.failed}
    try:
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if meta_log.failed.done():
            meta_log.failed.result()
    finally:
        stop.cancel()
        bootstrap.cancel()
        await admin.close()
        queries.close()
        await readiness.close()
        await publisher.close()
        await meta_log.close()
        await asyncio.gather(bootstrap, stop, return_exceptions=True)


async def _create_partition_table(meta_log: MetaLog, settings: Settings) -> None:
    """At the first start of a node. Of several nodes that try, the first in the log wins."""
    await meta_log.caught_up()
    while meta_log.state.partition_table is None:
        try:
            command = CreatePartitionTable(settings.partition_count)
            outcome = await meta_log.propose(command, timeout_s=_BOOTSTRAP_TIMEOUT_S)
            _log.info("partition table partitions=%d: %s", settings.partition_count, type(outcome).__name__)
        except UnavailableError as error:
            _log.warning("the partition table is not made yet (%s), trying again", error)
            await asyncio.sleep(_BOOTSTRAP_PAUSE_S)
