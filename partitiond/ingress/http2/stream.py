"""One request and its answer. Pure: no I/O."""

from __future__ import annotations

from typing import Any

from partitiond.ingress.http2.fields import RequestHead

__all__ = ["Stream"]


class Stream:
    """`waiter` and `task` belong to who serves it."""

    __slots__ = (
        "answer", "answered", "chunks", "complete", "head", "id", "received", "recv_window", "send_window", "task",
        "too_long", "waiter", "wanted",
    )  # fmt: skip

    def __init__(self, stream_id: int, head: RequestHead, *, recv_window: int, send_window: int) -> None:
        self.id = stream_id
        self.head = head
        #: The request's body, in pieces; dropped once it is `too_long`.
        self.chunks: list[bytes] = []
        self.received = 0
        self.too_long = False
        #: All of the request is here.
        self.complete = False
        #: Somebody reads the body: more of it may be sent.
        self.wanted = False
        self.recv_window = recv_window
        self.send_window = send_window
        #: What is left to send of the answer's body, once its head is `answered`.
        self.answer = memoryview(b"")
        self.answered = False
        self.waiter: Any = None
        self.task: Any = None
