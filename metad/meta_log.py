"""Follows and appends to group `meta` of logd; holds the registry's newest state. Owns: the connection to logd.

Rules that always hold:
- the state changes only by records that logd has committed, in LSN order, each one once;
- an outcome is told to its proposer only after the record was applied here;
- a proposal is repeated with the same uid, so that a repetition after an unknown outcome changes nothing;
- the log is trimmed only up to before a snapshot that was applied: it always begins with its first record, or one.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from typing import Any

import msgspec

from metad.registry.codec import decode_proposal, encode_proposal
from metad.registry.commands import MetaCommand, Proposal, Snapshot
from metad.registry.outcomes import Outcome
from metad.registry.registry import adopt, apply
from metad.registry.state import EMPTY, RegistryState
from shared.api.log import (
    META_GROUP,
    Append,
    Appended,
    Committed,
    Follow,
    Following,
    Leadership,
    LogError,
    LogReply,
    LogStatus,
    LogStatusReply,
    Read,
    ReadReply,
    Trim,
    Trimmed,
)
from shared.config import Settings
from shared.disk import node_guard
from shared.errors import CorruptionError, FormatError, UnavailableError
from shared.rpc.client import RpcCaller
from shared.rpc.connection import Connection

__all__ = ["MetaLog"]

_log = logging.getLogger(__name__)
#: How long a request may wait for a log that was never read.
KNOWN_TIMEOUT_S = 10.0
#: Replies to this id are pushes: nobody waits for them.
_PUSHED = 0
_BACKOFF_FIRST_S = 0.05
_BACKOFF_MAX_S = 1.0
#: After so many records, or bytes of them, the leader writes a snapshot. What it holds is the size of the catalog.
SNAPSHOT_RECORDS = 1000
SNAPSHOT_BYTES = 4 * 1024 * 1024
_SNAPSHOT_TIMEOUT_S = 30.0


class MetaLog:
    """The registry as the log says it is.

    `on_change` is called after each change, and once when the log was first read to its end; never before:
    nobody is to act on an old state during the replay.
    """

    def __init__(self, settings: Settings, *, on_change: Callable[[RegistryState], None]) -> None:
        self.state: RegistryState = EMPTY
        self.applied_lsn = 0
        #: Why the log cannot be followed any further; the daemon ends with it.
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._disk = node_guard(settings, tell=False)
        self._on_change = on_change
        self._waiting: dict[bytes, asyncio.Future[Outcome]] = {}
        self._applied: asyncio.Event = asyncio.Event()
        self._caught_up: asyncio.Event = asyncio.Event()
        self._catch_up_task: asyncio.Task[None] | None = None
        self._is_leader = False
        #: Where the log begins; over 1 when it is trimmed, and then its first record is a snapshot.
        self._first_lsn = 1
        self._begin_task: asyncio.Task[None] | None = None
        self._snapshot_task: asyncio.Task[None] | None = None
        self._snapshot_bytes_max = settings.record_bytes_limit
        #: Read since the last snapshot.
        self._new_records = 0
        self._new_bytes = 0
        self._caller = RpcCaller(
            settings.socket("logd"),
            msgspec.msgpack.Decoder(LogReply).decode,
            name="logd",
            on_push=self._on_push,
            on_connected=self._on_connected,
        )

    def start(self) -> None:
        """Begin to follow; returns at once."""
        self._caller.start()

    async def close(self) -> None:
        tasks = [task for task in (self._catch_up_task, self._begin_task, self._snapshot_task) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._caller.close()
        self.failed.cancel()

    async def caught_up(self) -> None:
        """Wait until the log was read to its end once."""
        await self._caught_up.wait()

    async def known_state(self, *, timeout_s: float = KNOWN_TIMEOUT_S) -> RegistryState:
        """The state, as soon as the log was read once; afterwards the last one, also while logd is away.

        Raises UnavailableError: an empty state is never shown for one that is not read yet.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._caught_up.wait()
        except TimeoutError as error:
            raise UnavailableError("metad could not read its log yet: is logd running?") from error
        return self.state

    @property
    def is_followed(self) -> bool:
        """logd is there and the state is up to date."""
        connection = self._caller.connection
        following = self._catch_up_task is not None and self._catch_up_task.done()
        return self._caught_up.is_set() and following and connection is not None and not connection.closed

    @property
    def is_leader(self) -> bool:
        """This node leads group `meta`."""
        return self._is_leader

    async def snapshot(self) -> None:
        """Write one now. If another record comes before it, it is void: the next record tries again."""
        payload = encode_proposal(Proposal(os.urandom(16), Snapshot(self.applied_lsn, self.state)))
        if len(payload) > self._snapshot_bytes_max:
            _log.error("the registry has %d bytes, over record_bytes_limit: its log cannot be trimmed", len(payload))
            return
        try:
            reply = await self._caller.call(Append(0, META_GROUP, payload), timeout_s=_SNAPSHOT_TIMEOUT_S)
        except UnavailableError as error:
            reply = error
        if not isinstance(reply, Appended):
            _log.warning("the snapshot of group meta is not written (%s), a later one will be", reply)

    async def propose(self, command: MetaCommand, *, timeout_s: float) -> Outcome:
        """Append and wait for what it led to. Raises UnavailableError: whether it is done is then unknown."""
        proposal = Proposal(uid=os.urandom(16), command=command)
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting[proposal.uid] = outcome
        try:
            async with asyncio.timeout(timeout_s):
                await self._append(encode_proposal(proposal), outcome, timeout_s=timeout_s)
                return await outcome
        except TimeoutError as error:
            trouble = self._disk.look()
            why = f" ({trouble})" if trouble else ""
            text = f"the log did not commit the change within {timeout_s:g} s{why}; it may still do so"
            raise UnavailableError(text) from error
        finally:
            self._waiting.pop(proposal.uid, None)

    async def _append(self, payload: bytes, outcome: asyncio.Future[Outcome], *, timeout_s: float) -> None:
        """Repeat until logd has committed it, or the record was seen on the tail."""
        backoff_s = _BACKOFF_FIRST_S
        while not outcome.done():
            try:
                reply = await self._caller.call(Append(0, META_GROUP, payload), timeout_s=timeout_s)
            except UnavailableError as error:
                _log.warning("append to group meta failed (%s), trying again", error)
            else:
                match reply:
                    case Appended():
                        return
                    case LogError(code="not_leader" | "stopping"):
                        _log.warning("append to group meta refused (%s: %s), trying again", reply.code, reply.message)
                    case LogError():
                        raise UnavailableError(f"the log refuses the change ({reply.code}): {reply.message}")
                    case _:
                        raise UnavailableError(f"logd answered {type(reply).__name__} to an append")
            await asyncio.sleep(backoff_s)
            backoff_s = min(backoff_s * 2, _BACKOFF_MAX_S)

    def _on_connected(self, connection: Connection) -> None:
        connection.send(Follow(_PUSHED, META_GROUP, max(self._first_lsn, self.applied_lsn + 1)))
        if self._catch_up_task is not None:
            self._catch_up_task.cancel()
        self._catch_up_task = asyncio.get_running_loop().create_task(self._catch_up(), name="meta-catch-up")
        self._catch_up_task.add_done_callback(self._task_done)

    async def _catch_up(self) -> None:
        """Wait until every batch that is committed now has come down the tail.

        Reads beyond what is applied, until nothing is there: `tail_lsn` alone cannot tell, as LSNs have gaps.
        """
        backoff_s = _BACKOFF_FIRST_S
        while True:
            try:
                reply = await self._caller.call(Read(0, META_GROUP, max(self._first_lsn, self.applied_lsn + 1)))
            except UnavailableError:
                reply = None
            if isinstance(reply, ReadReply):
                if not reply.batches:
                    self._check_begun()
                    break
                await self._applied_up_to(reply.batches[-1][0])
                continue
            _log.warning("group meta cannot be read (%s), trying again", reply or "logd is away")
            await asyncio.sleep(backoff_s)
            backoff_s = min(backoff_s * 2, _BACKOFF_MAX_S)
        if not self._caught_up.is_set():
            _log.info("group meta is read lsn=%d version=%d", self.applied_lsn, self.state.version)
            self._caught_up.set()
            self._on_change(self.state)
            self._maybe_snapshot()

    async def _begin_at_snapshot(self, connection: Connection) -> None:
        """The log is trimmed and nothing is known here: go on from where it begins."""
        reply = await self._caller.call(LogStatus(0))
        assert isinstance(reply, LogStatusReply)
        self._first_lsn = next(row.first_lsn for row in reply.groups if row.group == META_GROUP)
        connection.send(Follow(_PUSHED, META_GROUP, self._first_lsn))

    def _check_begun(self) -> None:
        """Raises CorruptionError when a trimmed log has no snapshot: nothing would be taken for a fresh node."""
        if self._first_lsn > 1 and not self.applied_lsn:
            raise CorruptionError(
                f"group meta is trimmed up to lsn={self._first_lsn - 1} and holds no snapshot: restore the log"
            )

    async def _applied_up_to(self, lsn: int) -> None:
        while self.applied_lsn < lsn:
            self._applied.clear()
            await self._applied.wait()

    def _on_push(self, message: Any) -> None:
        match message:
            case Committed():
                self._on_committed(message)
            case Following():
                _log.info("following group meta first_lsn=%d tail_lsn=%d", message.first_lsn, message.tail_lsn)
            case Leadership():
                _log.info("group meta leader=%s term=%d", message.leader, message.term)
                self._is_leader = message.is_leader
            case LogError(code="trimmed") if not self.applied_lsn and self._caller.connection is not None:
                self._begin_task = asyncio.get_running_loop().create_task(
                    self._begin_at_snapshot(self._caller.connection), name="meta-begin"
                )
                self._begin_task.add_done_callback(self._begun)
            case LogError():
                self._fail(UnavailableError(f"logd refuses to let group meta be followed: {message.message}"))
            case Trimmed():
                _log.info("group meta is trimmed first_lsn=%d", message.first_lsn)
            case _:
                _log.debug("late reply of logd: %s", type(message).__name__)

    def _on_committed(self, batch: Committed) -> None:
        if batch.group != META_GROUP or batch.lsn <= self.applied_lsn or self.failed.done():
            return
        try:
            self._apply(batch)
        except (CorruptionError, FormatError) as error:
            self._fail(type(error)(f"lsn={batch.lsn}: {error}"))
        except Exception as error:
            # A bug of ours. Going on after a record that could not be applied would fork the state.
            error.add_note(f"applying lsn={batch.lsn} of group meta")
            self._fail(error)

    def _apply(self, batch: Committed) -> None:
        proposal = decode_proposal(batch.payload)
        before = self.state.version
        if isinstance(proposal.command, Snapshot):
            self._apply_snapshot(batch.lsn, proposal.command)
        elif not self.applied_lsn and self._first_lsn > 1:
            raise CorruptionError("the log of group meta is trimmed, and does not begin with a snapshot")
        else:
            self._apply_command(proposal, size=len(batch.payload))
        self.applied_lsn = batch.lsn
        self._applied.set()
        if self.state.version != before and self._caught_up.is_set():
            self._on_change(self.state)
        self._maybe_snapshot()

    def _apply_command(self, proposal: Proposal, *, size: int) -> None:
        self.state, outcome = apply(self.state, proposal)
        self._new_records += 1
        self._new_bytes += size
        waiting = self._waiting.get(proposal.uid)
        if waiting is not None and outcome is not None and not waiting.done():
            waiting.set_result(outcome)

    def _apply_snapshot(self, lsn: int, snapshot: Snapshot) -> None:
        """What it covers is needed no more, once it is on disk here: logd shows nothing that is not."""
        state = adopt(snapshot, applied_lsn=self.applied_lsn)
        if state is None:
            return
        self.state = state
        self._new_records = self._new_bytes = 0
        connection = self._caller.connection
        if connection is not None and lsn > 1:
            connection.send(Trim(_PUSHED, META_GROUP, lsn - 1))

    def _maybe_snapshot(self) -> None:
        """The leader writes one when much was written since the last."""
        busy = self._snapshot_task is not None and not self._snapshot_task.done()
        few = self._new_records < SNAPSHOT_RECORDS and self._new_bytes < SNAPSHOT_BYTES
        if few or busy or not self._is_leader or not self._caught_up.is_set():
            return
        self._snapshot_task = asyncio.get_running_loop().create_task(self.snapshot(), name="meta-snapshot")
        self._snapshot_task.add_done_callback(self._task_done)

    def _begun(self, task: asyncio.Task[None]) -> None:
        """logd may go away meanwhile: the next connection begins anew."""
        if not task.cancelled() and isinstance(task.exception(), UnavailableError):
            _log.warning("group meta could not be followed: %s", task.exception())
        else:
            self._task_done(task)

    def _task_done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if not self.failed.done():
            self.failed.set_exception(error)
