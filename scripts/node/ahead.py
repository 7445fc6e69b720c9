"""supervisord's process, forked before it is known for which node. Owns: that fork, until somebody takes it.

What a node's start does first is serial: settings are read, the data directory is checked, locked and synced, ports are
probed, each with imports of its own. Meanwhile another core imports what supervisord and all programs need.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.node.forked import Ahead, Forked, Main, fork, fork_ahead, run_as_fork

if TYPE_CHECKING:
    from scripts.node.early import Early

__all__ = ["begin", "fork_supervisord", "give_up"]

_begun: list[Ahead] = []


def begin(early: Iterable[str]) -> None:
    """Whoever calls is about to start a node. It begins no thread before that. `early`: modules, see early.py."""
    if not _begun:
        _begun.append(fork_ahead(lambda: _prepare(early)))


def give_up() -> None:
    """No node is started: nothing is left running. Does nothing once one is."""
    while _begun:
        _begun.pop().end()


def fork_supervisord(conf: Path, lock: int, *, alone: list[str], log: Path, parent: int | None) -> Forked:
    """supervisord, in the fork that waits for it or in a new one. `alone`, `parent`: see supervisor.py; `lock`: a
    descriptor of the node's lock."""
    what = {"conf": str(conf), "alone": alone, "parent": parent, "log": str(log), "own_session": parent is None}
    forked = _begun.pop().become(what, [lock]) if _begun else None
    if forked is None:
        from scripts.node.early import Early

        forked = fork(lambda: _run(Early(()), what, lock), log=log, keep=[lock], own_session=parent is None)
    return forked


def _prepare(modules: Iterable[str]) -> Main:
    # Late: what starts the node has no need of it. In this order: see early.py.
    import shared.daemon  # noqa: F401  What all programs share.
    from scripts.node.early import Early

    early = Early(modules)
    from scripts.node import supervisor  # noqa: F401

    def main(what: Any, descriptors: list[int]) -> None:
        [lock] = descriptors
        keep = [lock, *early.descriptors]
        run_as_fork(lambda: _run(early, what, lock), log=Path(what["log"]), keep=keep, own_session=what["own_session"])

    return main


def _run(early: Early, what: Any, lock: int) -> None:
    from scripts.node.child import put_aside
    from scripts.node.layout import NodeLock
    from scripts.node.supervisor import main

    main(Path(what["conf"]), NodeLock(put_aside(lock)), early, alone=what["alone"], parent=what["parent"])
