"""supervisord's process, forked before it is known for which node. Owns: that fork, until somebody takes it.

What a node's start does first is serial: settings are read, the data directory is checked, locked and synced, ports are
probed, each with imports of its own. Meanwhile another core imports what supervisord and all programs need.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scripts.node.forked import Ahead, Forked, fork, fork_ahead

__all__ = ["begin", "fork_supervisord", "give_up"]

#: The lock's descriptor in supervisord and the programs: over supervisord's `minfds`, up to which it closes all.
_LOCK_DESCRIPTOR_MIN = 100

_begun: list[Ahead] = []


def begin() -> None:
    """Whoever calls is about to start a node. It begins no thread before that."""
    if not _begun:
        _begun.append(fork_ahead(_prepare))


def give_up() -> None:
    """No node is started: nothing is left running. Does nothing once one is."""
    while _begun:
        _begun.pop().end()


def fork_supervisord(conf: Path, lock: int, *, alone: list[str], log: Path, parent: int | None) -> Forked:
    """supervisord, in the fork that waits for it or in a new one. `alone`, `parent`: see supervisor.py; `lock`: a
    descriptor of the node's lock."""
    what = [str(conf), alone, parent]
    forked = _begun.pop().become(what, log=log, keep=lock, own_session=parent is None) if _begun else None
    if forked is None:
        forked = fork(lambda: _prepare()(what, lock), log=log, keep=lock, own_session=parent is None)
    return forked


def _prepare() -> Callable[[Any, int], None]:
    # Late: what starts the node has no need of it.
    import shared.daemon  # noqa: F401  What all programs share.
    from scripts.node import supervisor
    from scripts.node.layout import NodeLock

    def run(what: Any, lock: int) -> None:
        conf, alone, parent = what
        descriptor = fcntl.fcntl(lock, fcntl.F_DUPFD, _LOCK_DESCRIPTOR_MIN)
        os.close(lock)
        supervisor.main(Path(conf), NodeLock(descriptor), alone=alone, parent=parent)

    return run
