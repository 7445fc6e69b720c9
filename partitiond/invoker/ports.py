"""What the invoker needs from outside, as ports. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

from partitiond.invoker.http2.request import RequestHead
from partitiond.invoker.http2.stream import StreamHandler
from shared.catalog.catalog import Catalog
from shared.storage.values import InvocationRow
from shared.wal.commands import InvokerEffects, ResumeInvocation, Target

__all__ = ["CatalogView", "Endpoint", "InvokerHost", "RequestStream"]


class InvokerHost(Protocol):
    """One partition that this worker leads."""

    def load(self, invocation_id: bytes) -> InvocationRow | None:
        """As stored now; None when there is none."""

    def read_entry(self, invocation_id: bytes, index: int) -> tuple[int, bytes]:
        """(message type, protobuf) of an entry that the journal has; entry 0 is Input."""

    def read_state(self, target: Target, *, value_bytes_limit: int) -> Iterable[tuple[bytes, bytes | None]]:
        """(name, value) of the keyed target's state."""

    def propose(self, effects: InvokerEffects | ResumeInvocation) -> None:
        """To the log, in order. Never raises for leadership that is lost: the machine fences such effects."""

    def flush(self) -> None:
        """What was proposed so far is a record of its own: nothing that follows joins it."""

    def when_applied(self, callback: Callable[[], None]) -> None:
        """Call back once all that was proposed so far is applied; never, if leadership is lost."""


class CatalogView(Protocol):
    """The catalog that the integrator keeps fresh; a new version is a new object."""

    @property
    def catalog(self) -> Catalog | None:
        """None: not known yet."""

    def on_change(self, callback: Callable[[], None]) -> None:
        """Call back after each change of `catalog`."""


class RequestStream(Protocol):
    """One request, as `http2.stream.Stream` describes it."""

    auto_consume: bool

    @property
    def writable(self) -> bool: ...

    @property
    def waiting_bytes(self) -> int: ...

    def send(self, data: bytes, *, end: bool = False) -> bool: ...

    def close_request(self) -> None: ...

    def reset(self) -> None: ...

    def consumed(self, n: int) -> None: ...

    def widen(self, n: int) -> None: ...


class Endpoint(Protocol):
    """Takes requests for one authority; never raises for I/O, which the handler is told."""

    def request(
        self, head: RequestHead, handler: StreamHandler, body: bytes = b"", *, end: bool = False
    ) -> RequestStream: ...

    def close(self) -> Awaitable[None]: ...
