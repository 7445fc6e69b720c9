"""What one attempt has to send, in order, read from the store only as the service takes it. Pure: no I/O.

First the Start message, then the replayed journal, then what is stored while the attempt runs. Of a notification that
must wait only its index is kept: it is in the journal, and a service that does not read costs nothing but its place.

Rules that always hold: pieces are asked for only once the one before is written; a piece over `FREE_BYTES` holds a
claim until then.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from partitiond.invoker.memory import FREE_BYTES, Claim, Memory
from partitiond.invoker.protocol.header import frame

__all__ = ["Outbound"]

_NOTHING: deque[bytes] = deque()


class Outbound:
    """`read_entry`: index -> (message type, protobuf); `ready` is called when memory that was waited for is there.

    `state` follows `start` and holds `claim`, if it is large.
    """

    __slots__ = (
        "_claim", "_length", "_memory", "_owner", "_position", "_queue", "_read", "_read_entry", "_ready", "_start",
        "_state",
    )  # fmt: skip

    def __init__(
        self,
        start: bytes,
        *,
        read_entry: Callable[[int], tuple[int, bytes]],
        length: int,
        memory: Memory,
        owner: object,
        state: Iterable[bytes] = (),
        claim: Claim | None = None,
    ) -> None:
        self._start: bytes | None = start
        self._state = deque(state) if state else _NOTHING
        self._read_entry = read_entry
        self._position = 0
        self._length = length
        #: Behind the replay: the index of an entry, or whole frames.
        self._queue: deque[int | bytes] | None = None
        self._memory = memory
        self._owner = owner
        self._claim = claim
        self._ready: Callable[[], None] | None = None
        #: (index, message type, protobuf) of an entry that the caller holds just now.
        self._read: tuple[int, int, bytes] | None = None

    @property
    def replayed(self) -> bool:
        """Start and the replayed journal were handed out."""
        return self._position == self._length and not self._state

    @property
    def empty(self) -> bool:
        """Everything was handed out."""
        return not self._queue and self.replayed

    @property
    def holds_claim(self) -> bool:
        """What was handed out is large."""
        return self._claim is not None and self._claim.granted

    @property
    def waits(self) -> bool:
        """The next piece has no memory yet."""
        return self._claim is not None and not self._claim.granted

    @property
    def queued(self) -> int:
        """How many things follow the replay."""
        return len(self._queue) if self._queue is not None else 0

    def put(self, item: int | bytes) -> None:
        """To be sent in its turn: the entry of this index, or these frames."""
        if self._queue is None:
            self._queue = deque()
        self._queue.append(item)

    def hold(self, index: int, kind: int, raw: bytes) -> None:
        """An entry that need not be read from the store, until `let_go`."""
        self._read = (index, kind, raw)

    def let_go(self) -> None:
        """Nothing is held that nobody asked memory for."""
        self._read = None

    def piece(self, ready: Callable[[], None]) -> bytes | None:
        """What is to be written next, of a moderate size unless it is one entry. None: nothing is left, or it
        `waits`: then `ready` is called when there is memory."""
        if self.waits:
            return None
        self._ready = ready
        chunk: list[bytes] = []
        size = 0
        if self._start is not None:
            chunk.append(self._start)
            size = len(self._start)
            self._start = None
        while self._state and size < FREE_BYTES:
            part = self._state.popleft()
            chunk.append(part)
            size += len(part)
        if not self._state:
            while size < FREE_BYTES and self._position < self._length:
                data = self._entry(self._position, alone=not chunk)
                if data is None:
                    break
                self._position += 1
                chunk.append(data)
                size += len(data)
            if self._queue and self._position == self._length:
                self._take_queued(chunk, size)
        if len(chunk) == 1:
            return chunk[0]
        return b"".join(chunk) if chunk else None

    def written(self) -> None:
        """The last piece needs no memory of ours any more."""
        claim = self._claim
        if claim is not None and claim.granted and not self._state:
            self._claim = None
            claim.release()

    def close(self) -> None:
        """Nothing more is sent."""
        claim, self._claim = self._claim, None
        if claim is not None:
            claim.release()
        self._state = _NOTHING
        self._queue = None
        self._position = self._length
        self._ready = None

    def _take_queued(self, chunk: list[bytes], size: int) -> None:
        queue = self._queue
        assert queue is not None
        while queue and size < FREE_BYTES:
            item = queue[0]
            data = item if isinstance(item, bytes) else self._entry(item, alone=not chunk)
            if data is None:
                return
            queue.popleft()
            chunk.append(data)
            size += len(data)

    def _entry(self, index: int, *, alone: bool) -> bytes | None:
        """The entry as a frame. None: it is large, and must come alone or wait; then it is read again."""
        read = self._read
        if read is not None and read[0] == index:
            kind, raw = read[1], read[2]
        else:
            kind, raw = self._read_entry(index)
        if len(raw) > FREE_BYTES:
            if not alone:
                return None
            if self._claim is None:
                self._claim = self._memory.claim(self._owner, len(raw), self._on_memory)
            if not self._claim.granted:
                return None
        return frame(kind, raw)

    def _on_memory(self) -> None:
        if self._ready is not None:
            self._ready()
