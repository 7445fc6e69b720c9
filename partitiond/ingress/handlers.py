"""Carries a route out: asks the router, makes the answer. Owns: the request's time and randomness."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from partitiond.ingress import replies
from partitiond.ingress.directory import Directory, HandlerEntry
from partitiond.ingress.errors import IngressError, stopping, too_many_requests, unavailable
from partitiond.ingress.paths import AwakeableRoute, BodyRoute, CallRoute, ResultRoute, Route, RouteTable, split_target
from partitiond.ingress.replies import Answer
from partitiond.ingress.requests import ENTROPY_BYTES, check_call, make_invoke
from partitiond.ingress.router import AbandonedError, Exchange, Router
from partitiond.ingress.targets import parse_target
from shared.api.partition import (
    AttachRequest,
    AwakeableReply,
    AwakeableRequest,
    InvokeReply,
    InvokeRequest,
    ResultReply,
)
from shared.clock import Clock
from shared.errors import UnavailableError
from shared.ids import partition_key_of
from shared.wal.commands import Failure, HandlerKind, Invoke, Target

__all__ = ["ReadBody", "RequestHandler"]

ReadBody = Callable[[], Awaitable[bytes]]
_REJECTED = 500
_NO_CATALOG = "the ingress does not know the services yet: metad has not answered, retry shortly"
#: When to ask again while the disk is full.
_DISK_RETRY_AFTER_S = 5
_ENTROPY_PAGE_BYTES = 3200
#: How much longer than the body a rejection's text may be: no more than the log leaves for what is not body.
_REPLACED_BYTES_MAX = 32 * 1024


class RequestHandler:
    """Answers every request; what is wrong with one becomes an answer too.

    `requests_max`: requests at once, those that wait for a result too, beyond which load is shed; 0: no limit.
    """

    def __init__(self, router: Router, clock: Clock, *, requests_max: int = 0) -> None:
        self._requests_max = requests_max
        self._requests = 0
        self._router = router
        self._clock = clock
        self._entropy = b""
        self._entropy_at = 0
        #: Why no new work is taken now; None: it is.
        self.disk_trouble: Callable[[], str | None] = lambda: None
        self._routes: RouteTable | None = None

    @property
    def directory(self) -> Directory | None:
        """None until metad has spoken once."""
        return None if self._routes is None else self._routes.directory

    @directory.setter
    def directory(self, directory: Directory) -> None:
        self._routes = RouteTable(directory)

    async def answer(self, method: str, target: str, headers: dict[str, str], read_body: ReadBody) -> Answer:
        """`target`: path and query as sent; `headers`: lower-case names, first values, in order.

        Few functions deep, for each one that waits costs as much as a step of the work.
        """
        if method == "OPTIONS":
            return replies.preflight(
                headers.get("access-control-request-method"), headers.get("access-control-request-headers")
            )
        if self._requests >= self._requests_max > 0:
            return replies.error(too_many_requests(self._requests_max))
        self._requests += 1
        try:
            routes = self._routes
            if routes is None:
                raise UnavailableError(_NO_CATALOG)
            path, query = split_target(target)
            route = routes.find(method, path)
            if not isinstance(route, CallRoute):
                return await self._answer_other(route, read_body, routes.directory)
            check_call(route, method, headers)
            if (trouble := self.disk_trouble()) is not None:
                raise unavailable(trouble, retry_after_s=_DISK_RETRY_AFTER_S)
            # No name for the body: it would be kept beside the input that is made of it, maybe for hours.
            invoke = make_invoke(
                route,
                headers,
                await read_body(),
                path=path,
                query=query,
                now_ms=self._clock.now_ms(),
                entropy=self._random_bytes(ENTROPY_BYTES),
            )
            if route.send:
                return await self._send(invoke)
            return await self._call(invoke, route.entry, fresh=_is_fresh(route, headers))
        except IngressError as refusal:
            return replies.error(refusal)
        except UnavailableError as error:
            return replies.error(unavailable(str(error)))
        finally:
            self._requests -= 1

    async def _answer_other(self, route: Route, read_body: ReadBody, directory: Directory) -> Answer:
        if isinstance(route, ResultRoute):
            return await self._result(route.invocation_id, route.entry, wait=route.wait)
        if isinstance(route, AwakeableRoute):
            return await self._complete(route, await read_body())
        if isinstance(route, BodyRoute):
            return await self._by_body(route, await read_body(), directory)
        return replies.health(directory.health)

    async def _call(self, invoke: Invoke, entry: HandlerEntry, *, fresh: bool) -> Answer:
        try:
            exchange = await self._invoke(invoke, wait=True)
        except AbandonedError as error:
            raise stopping(invoke.id) from error
        reply = exchange.reply
        assert isinstance(reply, ResultReply), reply
        if exchange.repeated:
            if not reply.found:
                raise _unknown_outcome()
            if fresh:
                # It was our own first try that ended before.
                reply.expires_at_ms = 0
        return replies.result(invoke.id, entry, reply)

    async def _send(self, invoke: Invoke) -> Answer:
        try:
            reply = (await self._invoke(invoke, wait=False)).reply
        except AbandonedError as error:
            raise stopping(invoke.id) from error
        if isinstance(reply, ResultReply):
            # The answer to a repetition by AttachRequest.
            if not reply.found:
                raise _unknown_outcome()
            reply = InvokeReply(0, True, invoke.start_at_ms)
        assert isinstance(reply, InvokeReply), reply
        return replies.send(invoke.id, reply)

    def _invoke(self, invoke: Invoke, *, wait: bool) -> Coroutine[Any, Any, Exchange]:
        """A repeated request is found by its id, as long as its result is kept."""
        request = InvokeRequest(0, 0, invoke, wait)
        if invoke.completion_retention_ms:
            return self._router.exchange(partition_key_of(invoke.id), request)
        return self._invoke_unkept(request)

    async def _invoke_unkept(self, request: InvokeRequest) -> Exchange:
        """One whose result is not kept may have come and gone: asking for it is safe, starting it again is not. So
        first see that the partition is led, which leaves only a change of leader in between without an answer.
        """
        invocation_id = request.invoke.id
        partition_key = partition_key_of(invocation_id)
        await self._router.exchange(partition_key, AttachRequest(0, 0, invocation_id, False))
        return await self._router.exchange(partition_key, request, AttachRequest(0, 0, invocation_id, request.wait))

    async def _result(self, invocation_id: bytes, entry: HandlerEntry | None, *, wait: bool) -> Answer:
        request = AttachRequest(0, 0, invocation_id, wait)
        try:
            reply = (await self._router.exchange(partition_key_of(invocation_id), request)).reply
        except AbandonedError as error:
            raise stopping(invocation_id) from error
        assert isinstance(reply, ResultReply), reply
        if entry is None and reply.target is not None:
            # Asked for by a bare id: only the worker knows which handler it was.
            entry = self._handler_of(reply.target)
        return (replies.result if wait else replies.output)(invocation_id, entry, reply)

    def _handler_of(self, target: Target) -> HandlerEntry | None:
        """None: the handler was removed since."""
        assert self.directory is not None, "nothing is answered before there is a catalog"
        service = self.directory.services.get(target.service)
        return service.handlers.get(target.handler) if service is not None else None

    async def _complete(self, route: AwakeableRoute, body: bytes) -> Answer:
        if route.signal is not None:
            invocation_id, signal = route.signal
            value = body if route.resolve else Failure(_REJECTED, _rejection(body))
            request = AwakeableRequest(0, 0, invocation_id, signal, value)
            reply = (await self._router.exchange(partition_key_of(invocation_id), request)).reply
            assert isinstance(reply, AwakeableReply), reply
        return replies.accepted()

    async def _by_body(self, route: BodyRoute, body: bytes, directory: Directory) -> Answer:
        invocation_id, entry = parse_target(route.action, body, directory)
        if route.action == "lookup":
            return replies.found_id(invocation_id)
        return await self._result(invocation_id, entry, wait=route.action == "attach")

    def _random_bytes(self, count: int) -> bytes:
        """Asked of the system by the page: each question costs as much as parsing the request."""
        at = self._entropy_at
        if at + count > len(self._entropy):
            self._entropy = os.urandom(_ENTROPY_PAGE_BYTES)
            at = 0
        self._entropy_at = at + count
        return self._entropy[at : at + count]


def _unknown_outcome() -> UnavailableError:
    return UnavailableError(
        "the partition's leader changed during the request, and the handler keeps no result: it may have run or not"
    )


def _rejection(body: bytes) -> str:
    """The text that the awakeable is rejected with. Each byte that is no UTF-8 becomes three."""
    text = body.decode("utf-8", "replace")
    if len(text) > _REPLACED_BYTES_MAX and len(text.encode()) > len(body) + _REPLACED_BYTES_MAX:
        raise IngressError(400, "the reason of the rejection is not UTF-8")
    return text


def _is_fresh(route: CallRoute, headers: dict[str, str]) -> bool:
    """Whether the invocation's id was made for this request alone: then nobody else can have made it before."""
    return route.entry.kind != HandlerKind.WORKFLOW_RUN and "idempotency-key" not in headers
