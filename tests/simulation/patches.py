"""Where the daemons take time, randomness and disks from, replaced while a simulation runs.

Only names that a module looks up are set, and put back at the end: the code that runs is the product's own.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pysyncobj.syncobj

import logd.peers.link
import logd.raft.transport
import logd.service
import partitiond.ingress.router
import partitiond.leader.leader
import partitiond.worker
from tests.simulation.loop import current_process

__all__ = ["patched", "replaced"]


def _random_bytes(count: int) -> bytes:
    return current_process().chooser.randbytes(count)


@contextlib.contextmanager
def replaced(*places: tuple[Any, str, Any]) -> Iterator[None]:
    """(module or class, name, value)."""
    with contextlib.ExitStack() as stack:
        for owner, name, value in places:
            # Of a class: as it is stored there, so that a classmethod comes back as one.
            stack.callback(setattr, owner, name, vars(owner)[name])
            setattr(owner, name, value)
        yield


@contextlib.contextmanager
def patched(
    *,
    log_store: Any,
    log_syncer: Any,
    group: Any,
    partition_store: Any,
    invoker: Any,
    clock: Any,
    log_link: Any,
    router_link: Any,
) -> Iterator[None]:
    """Constructors that take what the product's take."""
    process_time = SimpleNamespace(monotonic=lambda: current_process().monotonic())
    process_random = SimpleNamespace(random=lambda: current_process().chooser.random())
    process_os = SimpleNamespace(urandom=_random_bytes)
    with replaced(
        (pysyncobj.syncobj, "monotonicTime", process_time.monotonic),
        (pysyncobj.syncobj, "random", process_random),
        (logd.peers.link, "time", process_time),
        (logd.raft.transport, "time", process_time),
        (logd.peers.link, "os", process_os),
        (logd.service, "RocksStore", log_store),
        (logd.service, "Syncer", log_syncer),
        (logd.service, "Group", group),
        (partitiond.leader.leader, "os", process_os),
        (partitiond.worker, "open_store", partition_store),
        (partitiond.worker, "Keeper", lambda *folders: None),
        (partitiond.worker, "Invoker", invoker),
        (partitiond.worker, "SystemClock", clock),
        (partitiond.worker, "LogLink", log_link),
        (partitiond.ingress.router, "_Link", router_link),
        (partitiond.worker, "_shares", lambda index, settings: None),
    ):
        yield
