"""What a daemon's host does to it: descriptors that run out, a clock that is set. Owns: nothing; tells in the log."""

from __future__ import annotations

import asyncio
import logging

from shared.clock import JumpWatch, SystemClock
from shared.descriptors import FEW, DescriptorWatch, allow_many

__all__ = ["watch_host"]

_log = logging.getLogger(__name__)
_LOOK_EVERY_S = 1.0
#: A clock that is slewed moves by less.
_MOVED_MS_MIN = 500


async def watch_host(*, clock: bool) -> None:
    """Until it is cancelled. `clock`: this daemon is the one of the node that tells of its clock."""
    limit = allow_many()
    if limit < FEW:
        _log.warning("only %d file descriptors are allowed: under load that may be too few (ulimit -n)", limit)
    descriptors, jumps = DescriptorWatch(), JumpWatch(SystemClock())
    while True:
        await asyncio.sleep(_LOOK_EVERY_S)
        descriptors.look()
        moved_ms = jumps.moved_ms()
        if clock and abs(moved_ms) >= _MOVED_MS_MIN:
            direction = "forth" if moved_ms > 0 else "back"
            late = "" if moved_ms > 0 else ": sleeps and delays from before are that much longer"
            _log.warning("the clock was set %s by %.1f s%s", direction, abs(moved_ms) / 1000, late)
