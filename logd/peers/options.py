"""Who the peers are. Pure: no I/O. No setting yet: a cluster's members come with a later version."""

from __future__ import annotations

from dataclasses import dataclass, field

from logd.raft.timing import Timing

__all__ = ["Address", "ClusterOptions"]

#: Host and port.
Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """This node's place among its peers.

    `peers`: name -> address, this node left out. `secret`: the same on every node; None: peers are
    believed to be who they say, which only a private network justifies. It is proved at connect;
    what follows is neither encrypted nor signed.
    """

    listen: Address
    peers: dict[str, Address]
    secret: bytes | None = None
    timing: Timing = field(default_factory=Timing)
