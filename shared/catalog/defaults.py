"""What holds for a handler where neither it nor its service says anything. Pure: no I/O."""

from __future__ import annotations

import msgspec

__all__ = ["Defaults"]


class Defaults(msgspec.Struct, frozen=True, omit_defaults=True):
    """The node's settings of these names, as metad publishes them with the catalog (features.md, section 2)."""

    inactivity_timeout_ms: int = 60_000
    abort_timeout_ms: int = 600_000
    retry_initial_interval_ms: int = 500
    retry_factor: float = 2.0
    retry_max_interval_ms: int = 60_000
    #: 0: without end.
    retry_max_attempts: int = 70
    #: "Pause" or "Kill".
    retry_on_max_attempts: str = "Pause"
