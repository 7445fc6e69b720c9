"""Commands and effects in words. Pure: no I/O.

One line each: what, of which invocation, with what. Payloads are told by their size.
"""

from __future__ import annotations

import msgspec

from shared.protocol.message_types import MessageType, command_name, is_command
from shared.storage.values import JournalRow, LargePart
from shared.wal.commands import (
    AnnounceLeader,
    AskIds,
    AttachMessage,
    CallEntry,
    CleanUp,
    Command,
    CompleteAwakeable,
    CompletionMessage,
    Deliver,
    Effect,
    End,
    Entry,
    Failed,
    Failure,
    FireTimers,
    GiveUp,
    Invoke,
    InvokeMessage,
    InvokerEffects,
    KillMessage,
    OutboxMessage,
    PatchState,
    Pause,
    PauseInvocation,
    Pin,
    RestartAsNew,
    Result,
    ResumeInvocation,
    RunCompletion,
    SetPackedState,
    SetRules,
    SignalMessage,
    Suspend,
    SuspendOn,
    Terminate,
    TruncateOutbox,
    Yield,
)
from shared.wal.plain import id_text, leaf_text, text_of
from sqld.tables.entry_json import entry_lite_json

__all__ = ["command_words", "effect_words", "entry_words", "message_words", "numbers", "result_words"]

_PREVIEW = 60


def _preview(raw: bytes) -> str:
    text = text_of(raw)
    return text if len(text) <= _PREVIEW else f"{text[:_PREVIEW]}… ({len(raw)} bytes)"


def result_words(result: Result | None) -> str:
    """`= "x"`, `failed [404] no such thing`."""
    if isinstance(result, Failure):
        return f"failed [{result.code}] {result.message}"
    return "= nothing" if not result else f"= {_preview(result)}"


def command_words(command: Command) -> str:
    """A command of the log."""
    match command:
        case AnnounceLeader():
            return f"AnnounceLeader {command.node} leads keys {command.start_key:#x} to {command.end_key:#x}"
        case Invoke():
            return _invoke_words(command)
        case InvokerEffects():
            effects = "; ".join(map(effect_words, command.effects))
            return f"Effects of {id_text(command.id)} (generation {command.generation}): {effects}"
        case FireTimers():
            return f"FireTimers due until {command.until_ms}" + (f", {command.limit} at most" if command.limit else "")
        case Deliver():
            messages = "; ".join(f"{seq}: {message_words(message)}" for seq, message in command.messages)
            return f"Deliver from partition {command.sender}: {messages}"
        case TruncateOutbox():
            return f"TruncateOutbox: messages {numbers(command.seqs)} are stored by their receivers"
        case CompleteAwakeable():
            where = f"signal {command.signal} of {id_text(command.invocation_id)}"
            return f"CompleteAwakeable {where} {result_words(command.result)}"
        case Terminate():
            return f"Terminate ({command.mode.name.lower().replace('_', '-')}) {id_text(command.invocation_id)}"
        case CleanUp():
            return f"CleanUp {', '.join(map(id_text, command.invocation_ids))}"
        case PauseInvocation():
            return f"PauseInvocation {id_text(command.invocation_id)}"
        case ResumeInvocation():
            return f"ResumeInvocation {id_text(command.invocation_id)}" + _on(command.deployment)
        case RestartAsNew():
            new = f"{id_text(command.invocation_id)} as {id_text(command.new_id)}"
            return f"RestartAsNew {new} from entry {command.from_index}" + _on(command.deployment)
        case SetRules():
            return f"SetRules version {command.version}: {len(command.rules)} rules"
        case PatchState():
            return _patch_words(command)


def _patch_words(command: PatchState) -> str:
    scope = "" if command.scope is None else f" scope {command.scope}"
    names = ", ".join(_preview(name) for name, _ in command.state) or "nothing"
    made_for = "" if command.version is None else f", if its version is {command.version}"
    return f"PatchState {command.service}/{command.key}{scope} to {names}{made_for}"


def _on(deployment: msgspec.Struct | None) -> str:
    return "" if deployment is None else f" on {getattr(deployment, 'id', '?')}"


def numbers(numbers: list[int]) -> str:
    """`3`, `3 to 7`, `3, 5, 8`."""
    if len(numbers) > 2 and numbers == list(range(numbers[0], numbers[0] + len(numbers))):
        return f"{numbers[0]} to {numbers[-1]}"
    return ", ".join(map(str, numbers))


def _invoke_words(invoke: Invoke) -> str:
    parts = [f"Invoke {invoke.target} {id_text(invoke.id)}"]
    if invoke.target.scope is not None:
        parts.append(f"scope {invoke.target.scope}" + (f" limit key {invoke.limit_key}" if invoke.limit_key else ""))
    if invoke.caller is not None:
        parts.append(f"from {invoke.caller.target} {id_text(invoke.caller.invocation_id)}")
    if invoke.idempotency_key is not None:
        parts.append(f"idempotency key {invoke.idempotency_key!r}")
    if invoke.start_at_ms:
        parts.append(f"not before {invoke.start_at_ms}")
    parts.append(f"input of {len(invoke.input)} bytes")
    return ", ".join(parts)


def effect_words(effect: Effect) -> str:
    """What an attempt reports."""
    match effect:
        case Pin():
            return f"pinned to {effect.deployment_id}, protocol {effect.protocol_version}"
        case Entry():
            return entry_words(JournalRow(effect.entry_type, effect.raw, 0))
        case CallEntry():
            row = JournalRow(effect.entry_type, effect.raw, 0, effect.callee.id, effect.callee.target)
            return entry_words(row) + (", told on request" if effect.untold else "")
        case SetPackedState():
            part = LargePart(0, effect.offset, effect.size, effect.packing)
            return entry_words(JournalRow(MessageType.SET_STATE, effect.raw, 0, large=part))
        case RunCompletion():
            return f"run {effect.completion_id} {result_words(effect.result)}"
        case Suspend():
            named = [f"signal {name!r}" for name in effect.names]
            numbered = [*(f"completion {c}" for c in effect.completions), *(f"signal {s}" for s in effect.signals)]
            return f"suspends on {', '.join([*numbered, *named]) or 'nothing'}"
        case SuspendOn():
            return f"suspends on {', '.join(map(leaf_text, effect.future.leaves())) or 'nothing'}"
        case End():
            return "ends"
        case GiveUp():
            return f"gives up: {result_words(effect.failure)}"
        case Pause():
            return f"retries exhausted, pauses: {result_words(effect.failure)}"
        case Failed():
            code = f" ({effect.detail.doc_code})" if effect.detail.doc_code else ""
            return f"attempt failed [{effect.detail.code}] {effect.detail.message.partition(chr(10))[0]}{code}"
        case Yield():
            return f"next attempt at {effect.retry_at_ms}"
        case AskIds():
            return "is to be told whom it called"


def entry_words(row: JournalRow) -> str:
    """A journal entry: its name, and what the lite form of SQL tells of it."""
    try:
        name = command_name(row.entry_type)
        shaped = entry_lite_json(row)
    except (ValueError, KeyError) as error:
        return f"entry of unknown type {row.entry_type:#06x} ({error}): 0x{row.raw.hex()}"
    if shaped is None:
        return f"{name} that cannot be read: 0x{row.raw.hex()}"
    if row.callee_id is not None:
        return f"{name} {row.callee_target} {id_text(row.callee_id)}"
    inner = next(iter(msgspec.json.decode(shaped).values()))
    if is_command(row.entry_type):
        inner = inner[name]
    else:
        name = f"{name} notification" if row.entry_type != MessageType.SIGNAL else "Signal"
        inner.pop("ty", None)
    told = msgspec.json.encode(inner).decode()
    return name if told == "{}" else f"{name} {told}"


def message_words(message: OutboxMessage) -> str:
    """A message between partitions."""
    match message:
        case InvokeMessage():
            return _invoke_words(message.invoke)
        case CompletionMessage():
            where = f"completion {message.completion_id} of {id_text(message.invocation_id)}"
            return f"{where} {result_words(message.result)}"
        case SignalMessage():
            signal = leaf_text(message.signal if isinstance(message.signal, str) else -1 - message.signal)
            return f"{signal} of {id_text(message.invocation_id)} {result_words(message.result)}"
        case AttachMessage():
            how = "waits for" if message.wait else "asks for"
            asker = f"completion {message.completion_id} of {id_text(message.caller_id)}"
            return f"{asker} {how} {id_text(message.invocation_id)}"
        case KillMessage():
            return f"kill {id_text(message.invocation_id)}"
