"""Starts and aborts attempts for the partitions of one worker. Owns: every connection to user services.

It decides nothing about invocations: the machine says what runs, and all that happens goes back to it as effects.
"""

from __future__ import annotations

import asyncio
import functools
import os
import random
from collections.abc import Callable, Iterator

from partitiond.invoker.chain import Chain
from partitiond.invoker.coalescer import Coalescer
from partitiond.invoker.connect import open_endpoint
from partitiond.invoker.deadlines import Deadlines
from partitiond.invoker.endpoints import EndpointKey, Endpoints
from partitiond.invoker.memory import Memory
from partitiond.invoker.ports import CatalogView, Endpoint, InvokerHost
from partitiond.invoker.routes import Routes
from partitiond.invoker.slots import Gate, OwnGate, Slots
from partitiond.invoker.surroundings import Surroundings
from shared.api.partition import InvocationState
from shared.clock import Clock
from shared.config import Settings
from shared.storage.values import InvocationRow
from shared.transport.outbound import Outbound
from shared.turn import Turn
from shared.wal.commands import DeploymentChoice, FailureDetail, Target

__all__ = ["Invoker"]

#: What a record holds beside one message. A message that fits no record would end the leadership at each attempt.
_RECORD_OVERHEAD_BYTES = 64 * 1024
#: How often a worker that waits looks whether others have given slots back.
_ASK_AGAIN_S = 0.01
#: How long a step that nobody waits for may wait for the next one: a busy service takes 10 ms from a `run` to its
#: result.
_HOLD_S = 0.02


class Invoker:
    """All calls must come from within the event loop, the first one included; none of them waits, but `close`.

    Raises ConfigError for files of the settings that cannot be read.
    """

    def __init__(
        self,
        *,
        catalog: CatalogView,
        settings: Settings,
        clock: Clock,
        make_endpoint: Callable[[EndpointKey], Endpoint] | None = None,
        gate: Gate | None = None,
        tick_s: float = 1.0,
        hold_s: float = _HOLD_S,
        random_bytes: Callable[[int], bytes] = os.urandom,
        random_float: Callable[[], float] = random.random,
    ) -> None:
        """`gate`: how many attempts run at once; None: this worker's even share of the node's."""
        loop = asyncio.get_running_loop()
        if gate is None:
            gate = OwnGate(max(1, settings.concurrent_invocations_limit // settings.worker_count))
        budget = max(1, settings.invoker_memory_bytes // 2 // settings.worker_count)
        self._catalog = catalog
        self._chains: dict[InvokerHost, dict[bytes, Chain]] = {}
        outbound = Outbound(settings)
        self._turn = Turn()
        open_one = functools.partial(open_endpoint, outbound=outbound, turn=self._turn)
        self._endpoints = Endpoints(make_endpoint or open_one)
        self._deadlines = Deadlines(tick_s)
        self._coalescer = Coalescer(hold_s)
        self._shared = Surroundings(
            catalog=catalog,
            routes=Routes(catalog, outbound.headers),
            identity=outbound.identity,
            endpoints=self._endpoints,
            deadlines=self._deadlines,
            coalescer=self._coalescer,
            slots=Slots(gate, loop.call_soon, functools.partial(loop.call_later, _ASK_AGAIN_S)),
            memory=Memory(budget, loop.call_soon),
            # Of their own: a window that was opened cannot be taken back when a message needs the memory.
            windows=Memory(budget, loop.call_soon),
            time=loop.time,
            clock=clock,
            eager_state_bytes_limit=settings.eager_state_bytes_limit,
            message_bytes_limit=min(settings.message_bytes_limit, settings.record_bytes_limit - _RECORD_OVERHEAD_BYTES),
            random_bytes=random_bytes,
            random=random_float,
        )
        catalog.on_change(self._catalog_changed)

    def start(self, host: InvokerHost, invocation_id: bytes, row: InvocationRow, input: bytes | None = None) -> None:
        """Action StartInvocation: a chain of attempts of `row.generation`. An older one is aborted.

        `input`: entry 0 of the journal, where the caller has it.
        """
        if not row.may_run:
            return  # Something behind it in the same transaction ended it.
        chains = self._chains.setdefault(host, {})
        known = chains.get(invocation_id)
        if known is not None:
            if known.generation >= row.generation:
                return
            if known.yielded:
                known.go_on(row)
                return
            known.abort()
        chain = chains[invocation_id] = Chain(self._shared, host, invocation_id, row, self._forget, input)
        chain.start()

    def notify(
        self, host: InvokerHost, invocation_id: bytes, generation: int, index: int, entry_type: int, raw: bytes
    ) -> None:
        """Action ForwardNotification."""
        chain = self._find(host, invocation_id)
        if chain is not None and chain.generation == generation:
            chain.notify(index, entry_type, raw)

    def ack(self, host: InvokerHost, invocation_id: bytes, generation: int, command_index: int) -> None:
        """Action AckCommand."""
        chain = self._find(host, invocation_id)
        if chain is not None and chain.generation == generation:
            chain.ack(command_index)

    def ack_run(self, host: InvokerHost, invocation_id: bytes, generation: int, completion_id: int) -> None:
        """Action AckRun."""
        chain = self._find(host, invocation_id)
        if chain is not None and chain.generation == generation:
            chain.ack_run(completion_id)

    def abort(self, host: InvokerHost, invocation_id: bytes, generation: int) -> None:
        """Action AbortAttempt: what runs or waits of this generation or an older one ends at once."""
        chain = self._find(host, invocation_id)
        if chain is not None and chain.generation <= generation:
            chain.abort()

    def refuse_suspension(
        self, host: InvokerHost, invocation_id: bytes, generation: int, completions: list[int]
    ) -> None:
        """Action SuspensionRefused."""
        chain = self._find(host, invocation_id)
        if chain is not None and chain.generation == generation:
            chain.refuse_suspension(completions)

    def retry_now(self, host: InvokerHost, invocation_id: bytes, generation: int) -> None:
        """Action RetryNow."""
        chain = self._find(host, invocation_id)
        if chain is not None and chain.generation == generation:
            chain.retry_now()

    def write_now(self) -> None:
        """What was given for services since is on its way when this returns, as far as they take it."""
        self._turn.write_now()

    def last_failure(self, host: InvokerHost, invocation_id: bytes) -> FailureDetail | None:
        """Why the last attempt of what runs or backs off failed; None: none has."""
        chain = self._find(host, invocation_id)
        return chain.failure.as_detail() if chain is not None and chain.failure is not None else None

    def deployment_of(self, target: Target, wanted: str | None) -> DeploymentChoice | None:
        """The deployment of this id, or that of new invocations of `target`; None: there is none."""
        deployment = self._shared.routes.deployment_of(target, wanted)
        if deployment is None:
            return None
        return DeploymentChoice(deployment.id, deployment.min_protocol_version, deployment.max_protocol_version)

    def abort_all(self, host: InvokerHost) -> None:
        """Leadership is lost: nothing of this host runs, waits or proposes any more."""
        for chain in list(self._chains.get(host, {}).values()):
            chain.abort()
        self._chains.pop(host, None)
        # What was held until it is applied: nobody is told any more.
        self._shared.memory.drop(host)
        self._shared.windows.drop(host)

    def states(self, host: InvokerHost | None = None) -> list[InvocationState]:
        """What SQL shows of one host's chains, or of all."""
        hosts = [host] if host is not None else list(self._chains)
        return [_state(chain) for each in hosts for chain in self._chains.get(each, {}).values()]

    def state_chunks(self, size: int) -> Iterator[list[InvocationState]]:
        """All states, some at a time; what ends meanwhile is left out. At least one list."""
        ids = [(host, invocation_id) for host, chains in self._chains.items() for invocation_id in chains]
        for at in range(0, max(1, len(ids)), size):
            chains = (self._find(host, invocation_id) for host, invocation_id in ids[at : at + size])
            yield [_state(chain) for chain in chains if chain is not None]

    async def close(self) -> None:
        """Abort everything and close the connections."""
        for host in list(self._chains):
            self.abort_all(host)
        self._deadlines.close()
        self._coalescer.close()
        await self._endpoints.close()

    def _find(self, host: InvokerHost, invocation_id: bytes) -> Chain | None:
        chains = self._chains.get(host)
        return chains.get(invocation_id) if chains is not None else None

    def _forget(self, chain: Chain) -> None:
        chains = self._chains.get(chain.host)
        if chains is not None and chains.get(chain.id) is chain:
            del chains[chain.id]

    def _catalog_changed(self) -> None:
        self._endpoints.forget_unused(self._catalog.catalog)


def _state(chain: Chain) -> InvocationState:
    failure = chain.failure
    return InvocationState(
        id=chain.id,
        in_flight=chain.in_flight,
        retry_count=chain.attempts,
        last_start_at_ms=chain.last_start_ms,
        last_attempt_deployment_id=chain.deployment_id,
        last_attempt_server=chain.server,
        next_retry_at_ms=chain.next_retry_ms,
        last_failure=failure.full_text if failure else None,
        last_failure_error_code=failure.doc_code if failure else None,
        last_failure_related_command_index=failure.related_index if failure else None,
        last_failure_related_command_name=failure.related_name if failure else None,
        last_failure_related_command_type=failure.related_type if failure else None,
        last_awaiting_on=chain.awaiting_on,
    )
