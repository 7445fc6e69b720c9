"""Why an attempt failed, and how that reads in logs, SQL and paused invocations. Pure: no I/O."""

from __future__ import annotations

from enum import Enum

import msgspec

from shared.wal.commands import Failure, FailureDetail

__all__ = ["AttemptError", "AttemptFailure", "Behavior"]


class Behavior(Enum):
    """What is to follow a failed attempt. Only a service of protocol v7 chooses, or a rule of the protocol."""

    #: As the policy says.
    RETRY = 0
    #: Wait for an operator.
    PAUSE = 1
    #: End with this failure.
    FAIL = 2


#: Names of codes, as Restate has them.
_CODE_NAMES = {
    400: "Bad request",
    404: "Not found",
    409: "Aborted",
    410: "Gone",
    415: "Unsupported media type",
    470: "Not ready",
    500: "Internal",
    570: "Journal mismatch",
    571: "Protocol violation",
    572: "Awaiting two async results",
    573: "Unsupported feature",
}
#: Events are for people to read: a service may say more than anybody would.
_TEXT_MAX = 8 * 1024


class AttemptFailure(msgspec.Struct):
    """One failed attempt. It is retried; it becomes the invocation's result only if the policy or the service says so.

    `doc_code` is the RTxxxx code under which users find an explanation; `code` is HTTP-like.
    """

    doc_code: str
    message: str
    code: int = 500
    stacktrace: str = ""
    related_index: int | None = None
    related_name: str | None = None
    #: The word of `command_name`.
    related_type: str | None = None
    #: What the service asked for: this delay instead of the policy's, for the next retry only.
    next_retry_delay_ms: int | None = None
    behavior: Behavior = Behavior.RETRY
    #: The service only ended its connection, or took no request: it is sent again at once, unless that happens again.
    blameless: bool = False

    @property
    def text(self) -> str:
        """As logs show it."""
        return f"[{self.code}] {self.message}"

    @property
    def full_text(self) -> str:
        """As SQL shows it: a code that has a name is told with it."""
        name = _CODE_NAMES.get(self.code)
        text = f"[{self.code} {name}] {self.message}" if name else self.text
        return f"{text}\n{self.stacktrace}" if self.stacktrace else text

    def as_result(self) -> Failure:
        """As the invocation's result, or as the reason of a pause."""
        return Failure(self.code, self.message)

    def as_detail(self) -> FailureDetail:
        """As journal events keep it."""
        return FailureDetail(
            self.code,
            self.message[:_TEXT_MAX],
            self.doc_code,
            self.stacktrace[:_TEXT_MAX],
            self.related_index,
            self.related_name,
            self.related_type,
        )


class AttemptError(Exception):
    """The attempt cannot start, or not go on. Raised and handled within the invoker only."""

    def __init__(self, failure: AttemptFailure) -> None:
        super().__init__(failure.text)
        self.failure = failure
