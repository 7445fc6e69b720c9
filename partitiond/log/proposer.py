"""Commands of a leader -> batches in sequence.

Commands proposed in one loop turn leave as one batch. The machine takes a batch only if it is the next of the
leader's sequence, so either all batches up to one are applied, in order, or none from the first lost one on.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from shared.clock import Clock
from shared.wal.batch import Batch, encode_batch
from shared.wal.commands import Command

__all__ = ["Appender", "Proposer"]

#: A batch over this is cut in halves while it has more than one command, bytes.
BATCH_BYTES_TARGET = 1024 * 1024
#: Commands of one batch at most: a bound on how long one apply keeps the loop.
BATCH_COMMANDS_MAX = 512


class Appender(Protocol):
    """Where batches go."""

    def append(self, group: str, payload: bytes) -> None: ...


class Proposer:
    """The proposing side of one leader of one partition."""

    def __init__(self, group: str, appender: Appender, clock: Clock) -> None:
        self._group = group
        self._appender = appender
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._epoch = 0
        self._seq = 0
        self._applied_seq = 0
        self._commands: list[Command] = []
        self._scheduled = False
        self._callbacks: deque[tuple[int, Callable[[], None]]] = deque()
        #: Those that wait for what is in `_commands`.
        self._unsent: list[Callable[[], None]] = []

    @property
    def epoch(self) -> int:
        """LSN of the announcement under which this leader proposes; 0: it does not lead."""
        return self._epoch

    def announce(self, command: Command) -> None:
        """Propose the announcement: a batch of its own, outside of any sequence."""
        self._appender.append(self._group, encode_batch(Batch(0, 0, self._clock.now_ms(), [command])))

    def begin(self, epoch: int) -> None:
        """The announcement is applied: propose from sequence 1 on."""
        self.stop()
        self._epoch = epoch

    def stop(self) -> None:
        """Leadership is lost: nothing more leaves, and nobody is called back."""
        self._epoch = 0
        self._seq = 0
        self._applied_seq = 0
        self._commands.clear()
        self._callbacks.clear()
        self._unsent.clear()

    def propose(self, command: Command) -> None:
        """Send this with the next batch. Without leadership it is dropped: whoever asked will ask the new leader."""
        if self._epoch == 0:
            return
        self._commands.append(command)
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self.flush)

    def when_applied(self, callback: Callable[[], None]) -> None:
        """Call back once all that was proposed so far is applied; never, if leadership is lost before."""
        if self._epoch == 0:
            return
        if not self._commands and not self._callbacks and self._applied_seq == self._seq:
            self._loop.call_soon(self._call_if, self._epoch, callback)
            return
        if self._commands:
            # Not sent at once: each who asks would make a batch of its own.
            self._unsent.append(callback)
        else:
            self._callbacks.append((self._seq, callback))

    def _call_if(self, epoch: int, callback: Callable[[], None]) -> None:
        if self._epoch == epoch:
            callback()

    def on_applied(self, seq: int) -> None:
        """Batches of this leader up to `seq` are applied."""
        self._applied_seq = seq
        while self._callbacks and self._callbacks[0][0] <= seq:
            self._callbacks.popleft()[1]()

    def flush(self) -> None:
        """Send what waits for the end of the loop turn."""
        self._scheduled = False
        commands, self._commands = self._commands, []
        for at in range(0, len(commands), BATCH_COMMANDS_MAX):
            self._send(commands[at : at + BATCH_COMMANDS_MAX])
        if self._unsent:
            self._callbacks.extend((self._seq, callback) for callback in self._unsent)
            self._unsent.clear()

    def _send(self, commands: list[Command]) -> None:
        payload = encode_batch(Batch(self._epoch, self._seq + 1, self._clock.now_ms(), commands))
        if len(payload) > BATCH_BYTES_TARGET and len(commands) > 1:
            half = len(commands) // 2
            self._send(commands[:half])
            self._send(commands[half:])
            return
        self._seq += 1
        self._appender.append(self._group, payload)
