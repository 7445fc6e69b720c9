"""What all chains of a worker share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from partitiond.invoker.coalescer import Coalescer
from partitiond.invoker.deadlines import Deadlines
from partitiond.invoker.endpoints import Endpoints
from partitiond.invoker.memory import Memory
from partitiond.invoker.ports import CatalogView
from partitiond.invoker.routes import Routes
from partitiond.invoker.slots import Slots
from shared.clock import Clock
from shared.transport.identity import Identity

__all__ = ["Surroundings"]


@dataclass(slots=True)
class Surroundings:
    """One for each worker."""

    catalog: CatalogView
    routes: Routes
    endpoints: Endpoints
    deadlines: Deadlines
    coalescer: Coalescer
    slots: Slots
    #: None: requests are not signed.
    identity: Identity | None
    memory: Memory
    #: What wide windows of services that send much are claimed of.
    windows: Memory
    #: The loop's time, for time-outs; the clock's is for what is stored and shown.
    time: Callable[[], float]
    clock: Clock
    eager_state_bytes_limit: int
    message_bytes_limit: int
    random_bytes: Callable[[int], bytes]
    #: A float in [0, 1).
    random: Callable[[], float]
