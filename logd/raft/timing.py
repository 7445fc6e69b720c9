"""Raft's times. Pure: no I/O."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Timing"]


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds. An election must outlast several heartbeats, and a sync of the disk."""

    heartbeat_s: float = 0.1
    election_s_min: float = 0.5
    election_s_max: float = 1.2
    #: A leader that hears nothing from a quorum for this long steps down. pysyncobj's 30 s leave two leaders too long.
    fallback_s: float = 3.0
