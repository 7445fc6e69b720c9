"""One attempt's response: bytes in, effects out. Pure: no I/O.

Rules that always hold: effects come in the order of their messages; once `over`, no effect follows; a refused
message and all behind it are discarded, what came before it is kept. `failure` is set iff the attempt failed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from google.protobuf.message import DecodeError

from partitiond.invoker.failure import AttemptFailure, Behavior
from partitiond.invoker.protocol.callees import Callees
from partitiond.invoker.protocol.calls import CallResolver
from partitiond.invoker.protocol.futures import read_awaiting_on, read_suspension
from partitiond.invoker.protocol.habits import Habits
from partitiond.invoker.protocol.header import FrameReader
from partitiond.invoker.protocol.packed_state import read_set_state
from partitiond.invoker.protocol.preconditions import (
    BAD_MESSAGE,
    TOO_DEEP,
    TOO_LARGE,
    PreconditionError,
    check_failure,
    plain_commands,
    refusal,
)
from shared.catalog.catalog import Catalog
from shared.protocol import service_pb2 as pb
from shared.protocol.message_types import ACK_FLAG, MessageType, command_name, is_command
from shared.wal.commands import AskIds, Effect, End, Entry, Failure, Result, RunCompletion, Target
from shared.wal.futures import Future

__all__ = ["CatalogSource", "Conversation"]

_CALLS = (MessageType.CALL, MessageType.ONE_WAY_CALL)
_END = End()
_ASK_IDS = AskIds()
_BULKY_BYTES = 512 * 1024
#: Commands that are answered at once out of the store, with as much as a message may hold.
_READS = frozenset(
    {
        MessageType.GET_LAZY_STATE,
        MessageType.GET_LAZY_STATE_KEYS,
        MessageType.GET_PROMISE,
        MessageType.PEEK_PROMISE,
        MessageType.ATTACH_INVOCATION,
        MessageType.GET_INVOCATION_OUTPUT,
    }
)
#: Commands that nobody waits for: they ask for no answer, and concern nobody else before the invocation goes on. State
#: does: others may read it.
_QUIET = frozenset({MessageType.OUTPUT, MessageType.RUN, MessageType.GET_EAGER_STATE, MessageType.GET_EAGER_STATE_KEYS})
#: Larger ones are not worth the memory.
_QUIET_BYTES_MAX = 4096
_BEHAVIORS = {pb.Error.PAUSE: Behavior.PAUSE, pb.Error.FAIL: Behavior.FAIL}
#: Of an error's text and of its stack trace: each failed attempt logs it, and SQL is told it of all that wait to retry.
_ERROR_CHARS_MAX = 16 * 1024
#: ErrorMessage.code values with a meaning of their own, and the page that explains each.
_SDK_CODES = {570: "RT0016", 571: "RT0012"}


class CatalogSource(Protocol):
    """Where calls find their targets; the catalog may change while an attempt runs."""

    @property
    def catalog(self) -> Catalog | None: ...


class Conversation:
    """What the SDK may say in one attempt, and what it means."""

    __slots__ = (
        "_callees",
        "_caller_bytes",
        "_calls",
        "_catalog",
        "_command_index",
        "_frames",
        "_has_output",
        "_kind",
        "_plain",
        "_version",
        "awaiting_on",
        "bulky",
        "failure",
        "over",
        "quiet",
        "reads",
        "refused",
        "trailing",
    )

    def __init__(
        self,
        *,
        invocation_id: bytes,
        target: Target,
        traceparent: str | None,
        tracestate: str | None = None,
        command_count: int,
        has_output: bool,
        catalog: CatalogSource,
        message_bytes_limit: int,
        random_bytes: Callable[[int], bytes],
        protocol_version: int,
        habits: Habits,
    ) -> None:
        self._version = protocol_version
        self._catalog = catalog
        self._kind = target.kind
        self._plain = plain_commands(target.kind)
        #: Each call carries its caller's target.
        self._caller_bytes = len(target.key.encode()) if target.key else 0
        self._calls = CallResolver(
            caller_id=invocation_id,
            caller_target=target,
            traceparent=traceparent,
            tracestate=tracestate,
            random_bytes=random_bytes,
        )
        #: None: the service does not say what it waits for.
        self._callees = Callees(habits) if protocol_version >= 7 else None
        self._frames = FrameReader(message_bytes_limit)
        #: An Output is in the journal or was sent: an End without one would leave the caller without an answer.
        self._has_output = has_output
        #: Index that the next command will have in the journal.
        self._command_index = command_count
        #: What the service said last that its handler waits for; the caller takes it.
        self.awaiting_on: Future | None = None
        #: End, Suspension, Error or a failure was seen.
        self.over = False
        self.failure: AttemptFailure | None = None
        #: The effects just returned are large together: report them one by one.
        self.bulky = False
        #: The effects just returned are small, and nobody waits for any of them.
        self.quiet = False
        #: So many of the effects just returned ask for stored values.
        self.reads = 0
        #: It is over because of a message that we do not take; the service may still go on talking.
        self.refused = False
        #: Something came behind the last message; the caller logs it.
        self.trailing = False

    def receive(self, data: bytes) -> list[Effect]:
        """Effects of all messages that are whole now."""
        effects: list[Effect] = []
        self.reads = 0
        self.quiet = True
        self.bulky = self._frames.pending_bytes + len(data) > _BULKY_BYTES
        if self.over:
            self.trailing = True
            return effects
        plain = self._plain
        for message_type, flags, raw in self._frames.feed(data):
            if self.over:
                self.trailing = not self.refused
                break
            try:
                read = plain.get(message_type)
                if read is not None:
                    read(raw)
                    ack = flags >= ACK_FLAG
                    if message_type == MessageType.SET_STATE:
                        effects.append(read_set_state(raw, ack=ack))
                    else:
                        effects.append(Entry(message_type, raw, ack))
                    self._command_index += 1
                    if message_type not in _QUIET or ack or len(raw) > _QUIET_BYTES_MAX:
                        self.quiet = False
                    if message_type == MessageType.OUTPUT:
                        self._has_output = True
                    elif message_type in _READS:
                        self.reads += 1
                else:
                    self.quiet = False
                    self._read_other(message_type, flags, raw, effects)
            except DecodeError:
                self._fail(message_type, None, BAD_MESSAGE, f"message {message_type:#06x} is no readable protobuf")
            except PreconditionError as error:
                self._fail(message_type, raw, error.doc_code, error.message)
        self.bulky |= len(effects) * self._caller_bytes > _BULKY_BYTES
        if self._frames.oversized is not None and not self.over:
            message_type, length = self._frames.oversized
            self._fail(
                message_type, None, TOO_LARGE, f"message {message_type:#06x} of {length} bytes is over the limit"
            )
        if self.over and self._frames.pending_bytes:
            self.trailing = not self.refused
        return effects

    @property
    def awaited(self) -> tuple[int, int]:
        """(number, bytes) of the message of which a part is here; 0 bytes between messages."""
        return self._frames.whole, self._frames.awaited_bytes

    def ask_ids(self) -> list[Effect]:
        """What is to be reported lest the handler waits, without a word, for ids that it was not told; mostly none."""
        if self._callees is None or not self._callees.untold:
            return []
        self._callees.untold = False
        return [_ASK_IDS]

    def end_of_response(self) -> None:
        """The service closed its side. Before an end message this is a failure of the attempt."""
        if not self.over:
            self.over = True
            how = "within a message" if self._frames.pending_bytes else "before it ended or suspended the invocation"
            self.failure = AttemptFailure("RT0007", f"the service closed the response {how}")

    def _read_other(self, message_type: int, flags: int, raw: bytes, effects: list[Effect]) -> None:
        if message_type in _CALLS:
            call = self._calls.read(self._catalog.catalog, message_type, raw, ack=flags >= ACK_FLAG)
            if message_type == MessageType.CALL and self._callees is not None:
                call.untold = self._callees.called(call.id_completion_id)
            effects.append(call)
            self._command_index += 1
        elif message_type == MessageType.END:
            pb.End.FromString(raw)
            if not self._has_output:
                raise PreconditionError(BAD_MESSAGE, "an End without an Output")
            self.over = True
            effects.append(_END)
            if self._callees is not None:
                self._callees.ended()
        elif message_type == MessageType.PROPOSE_RUN_COMPLETION:
            effects.append(_read_run_completion(raw, ack=flags >= ACK_FLAG and self._version >= 7))
        elif message_type == MessageType.SUSPENSION:
            effects.append(read_suspension(raw, self._version))
            self.over = True
        elif message_type == MessageType.AWAITING_ON and self._callees is not None:
            self.awaiting_on = read_awaiting_on(raw)
            if self._callees.awaits(self.awaiting_on):
                effects.append(_ASK_IDS)
        elif message_type == MessageType.ERROR:
            self.failure = read_error(raw, self._version)
            self.over = True
        else:
            self._refuse(message_type, raw)

    def _refuse(self, message_type: int, raw: bytes) -> None:
        refused = refusal(self._kind, message_type)
        if refused is not None:
            raise refused
        name = message_type_name(message_type)
        self._fail(message_type, None, BAD_MESSAGE, f"a service may not send {name} ({message_type:#06x})")

    def _fail(self, message_type: int, raw: bytes | None, doc_code: str, message: str) -> None:
        self.over = self.refused = True
        self.failure = AttemptFailure(doc_code, message)
        if doc_code == TOO_DEEP:
            # No retry makes it shallower.
            self.failure.behavior = Behavior.PAUSE
        if raw is not None and is_command(message_type):
            self.failure.related_index = self._command_index
            self.failure.related_type = command_name(message_type)
            name = _entry_name(message_type, raw)
            self.failure.related_name = name and name[:_ERROR_CHARS_MAX]


def message_type_name(message_type: int) -> str:
    """A word for any number."""
    try:
        return MessageType(message_type).name
    except ValueError:
        return "an unknown message"


def _entry_name(message_type: int, raw: bytes) -> str | None:
    """All commands but SendSignal have their name in field 12, as RunCommand has."""
    try:
        if message_type == MessageType.SEND_SIGNAL:
            return pb.SendSignalCommand.FromString(raw).entry_name or None
        return pb.RunCommand.FromString(raw).name or None
    except DecodeError:
        return None  # It was refused by its type, before anybody read it.


def _read_run_completion(raw: bytes, *, ack: bool) -> RunCompletion:
    message = pb.ProposeRunCompletion.FromString(raw)
    kind = message.WhichOneof("result")
    if kind is None:
        raise PreconditionError(BAD_MESSAGE, "a ProposeRunCompletion without a result")
    check_failure(message.failure)
    result: Result = message.value if kind == "value" else _failure_of(message.failure)
    return RunCompletion(message.result_completion_id, result, ack)


def _failure_of(failure: pb.Failure) -> Failure:
    return Failure(failure.code, failure.message, [(item.key, item.value) for item in failure.metadata])


def read_error(raw: bytes, protocol_version: int) -> AttemptFailure:
    """An ErrorMessage: a failure that is retried, or since v7 what the service asks for. Terminal ones come as
    Output."""
    message = pb.Error.FromString(raw)
    failure = AttemptFailure(
        _SDK_CODES.get(message.code, "RT0007"),
        message.message[:_ERROR_CHARS_MAX],
        message.code or 500,
        message.stacktrace[:_ERROR_CHARS_MAX],
    )
    if message.HasField("related_command_index"):
        failure.related_index = message.related_command_index
    if message.related_command_name:
        failure.related_name = message.related_command_name[:_ERROR_CHARS_MAX]
    if message.HasField("related_command_type"):
        failure.related_type = _command_word(message.related_command_type)
    if message.HasField("next_retry_delay"):
        failure.next_retry_delay_ms = message.next_retry_delay
    if protocol_version >= 7:
        failure.behavior = _BEHAVIORS.get(message.behavior, Behavior.RETRY)
    return failure


def _command_word(message_type: int) -> str:
    try:
        return command_name(message_type)
    except ValueError:
        return f"{message_type:#06x}"
