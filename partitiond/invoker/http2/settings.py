"""Limits and times of the client, and reading the peer's SETTINGS (RFC 9113 section 6.5).

Pure: no I/O.
"""

from dataclasses import dataclass
from struct import Struct
from typing import Final

from partitiond.invoker.http2.errors import ConnectionFault
from partitiond.invoker.http2.frames import (
    FLOW_CONTROL_ERROR,
    FRAME_BYTES_MAX,
    FRAME_SIZE_ERROR,
    PROTOCOL_ERROR,
    WINDOW_MAX,
)

__all__ = ["PoolSettings", "decode_settings"]

# Identifiers, section 6.5.2.
HEADER_TABLE_SIZE: Final = 0x1
ENABLE_PUSH: Final = 0x2
MAX_CONCURRENT_STREAMS: Final = 0x3
INITIAL_WINDOW_SIZE: Final = 0x4
MAX_FRAME_SIZE: Final = 0x5
MAX_HEADER_LIST_SIZE: Final = 0x6

_PAIR: Final = Struct(">HI")


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSettings:
    """What one pool may use, and how long it waits."""

    #: Open streams on one connection; the peer's SETTINGS_MAX_CONCURRENT_STREAMS holds if it is lower.
    streams_per_connection: int = 128
    #: Connections that take new streams at one time; beyond it requests wait in the pool's queue.
    connections_max: int = 16
    #: Open streams on each connection from which on another one is made beside it, up to so many: a service that works
    #: off what it reads from one before it writes anything answers sooner in parts, and parts reach us while it works.
    spread_streams: int = 6
    spread_connections: int = 3
    #: Up to so many where bodies wait for a connection's window: a service gives 64 KB to all streams of one together,
    #: unless it says otherwise, and that much goes each time that both sides had their turn.
    wide_connections: int = 8
    #: From the start of a connection attempt to the peer's first SETTINGS, TLS included.
    connect_timeout_s: float = 10.0
    #: While other connections work, how long to wait after a failed attempt to add one.
    connect_retry_s: float = 1.0
    #: Silence of the peer after which it is sent a PING; each connection adds up to this part of it by chance, lest
    #: those that were made together ask together.
    ping_after_s: float = 40.0
    ping_jitter: float = 0.2
    #: Silence after that PING which ends the connection.
    ping_timeout_s: float = 20.0
    #: A connection without streams is closed after this time.
    idle_close_s: float = 300.0
    #: What the peer may send on one stream before we consume it: bounds what an attempt has on its way to the log.
    stream_window_bytes: int = 1 << 18
    #: The same for all streams of a connection together. It is given back on receipt, not on consumption, so
    #: that a slow owner never stops its neighbours; memory is bounded by the streams' own windows.
    connection_window_bytes: int = 1 << 24
    #: The largest decoded list of response headers, counted as in section 6.5.2 (32 bytes a field on top).
    header_list_bytes_max: int = 65_536

    def __post_init__(self) -> None:
        assert 0 < self.stream_window_bytes <= WINDOW_MAX
        assert 65_535 <= self.connection_window_bytes <= WINDOW_MAX
        assert self.streams_per_connection > 0
        assert self.connections_max > 0
        assert self.spread_streams > 0


def decode_settings(payload: bytes) -> list[tuple[int, int]]:
    """The (identifier, value) pairs of a SETTINGS payload in order; unknown identifiers are left out.

    Raises ConnectionFault for a value that a client must refuse (section 6.5.2).
    """
    if len(payload) % _PAIR.size:
        raise ConnectionFault(FRAME_SIZE_ERROR, f"SETTINGS of {len(payload)} bytes")
    pairs = []
    for key, value in _PAIR.iter_unpack(payload):
        if key == ENABLE_PUSH and value != 0:
            raise ConnectionFault(PROTOCOL_ERROR, f"SETTINGS_ENABLE_PUSH {value} from a server")
        if key == INITIAL_WINDOW_SIZE and value > WINDOW_MAX:
            raise ConnectionFault(FLOW_CONTROL_ERROR, f"SETTINGS_INITIAL_WINDOW_SIZE {value}")
        if key == MAX_FRAME_SIZE and not FRAME_BYTES_MAX <= value <= 0xFF_FFFF:
            raise ConnectionFault(PROTOCOL_ERROR, f"SETTINGS_MAX_FRAME_SIZE {value}")
        if HEADER_TABLE_SIZE <= key <= MAX_HEADER_LIST_SIZE:
            pairs.append((key, value))
    return pairs
