"""What a leader gives to attempts of values that are stored once."""

from __future__ import annotations

from typing import Any

import pytest

from partitiond.leader.dispatch import carry_out
from partitiond.machine.actions import ForwardNotification
from shared.protocol.message_types import MessageType
from shared.storage import keys, values
from shared.storage.large import LARGE_VALUE_BYTES
from shared.storage.packing import Packing, pack
from shared.storage.values import JournalRow, LargePart, LargeStateRow
from tests.fakes.recording_invoker import RecordingInvoker
from tests.fakes.sim_log import SimLog
from tests.fakes.sim_loop import simulate
from tests.partitiond.leader.rig import Node
from tests.partitiond.machine.fixtures import COUNTER, new_id

_SIZE = LARGE_VALUE_BYTES + 1
_CONTENT = b"c" * _SIZE
_STORED = {Packing.PLAIN: _CONTENT, Packing.ZSTD: pack(_CONTENT)}


class _Told(RecordingInvoker):
    """Keeps what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[bytes] = []

    def notify(self, host: Any, invocation_id: bytes, generation: int, index: int, entry_type: int, raw: bytes) -> None:
        self.told.append(raw)


def _place(invocation_id: bytes) -> int:
    return int.from_bytes(invocation_id[:8], "big")


@pytest.mark.parametrize("packing", Packing)
def test_an_entry_and_a_notification_have_their_content(packing: Packing) -> None:
    async def scenario() -> None:
        node, a = await Node(SimLog(), invoker=_Told()).follow().leading(), new_id(COUNTER)
        part, kind = LargePart(7, 4, _SIZE, packing), MessageType.GET_LAZY_STATE_COMPLETION
        row = JournalRow(kind, b"headtail", 5, large=part)
        content_key = keys.large_key(_place(a), 7)
        node.store.commit({keys.journal_key(a, 3): values.encode(row), content_key: _STORED[packing]})
        whole = b"head" + _CONTENT + b"tail"
        assert node.leader.read_entry(a, 3) == (kind, whole)
        action = ForwardNotification(a, 1, kind, b"headtail", 3, part)
        carry_out(node.leader, [action])
        # A later batch of the same commit ended the invocation and dropped its journal.
        node.store.commit({content_key: None, keys.journal_key(a, 3): None})
        carry_out(node.leader, [action])
        assert node.invoker.told == [whole]

    simulate(scenario())


@pytest.mark.parametrize("packing", Packing)
def test_state_that_is_too_large_for_an_attempt_is_not_read(packing: Packing) -> None:
    async def scenario() -> None:
        node, place = await Node(SimLog()).follow().leading(), _place(new_id(COUNTER))
        assert COUNTER.key is not None
        key = keys.state_key(place, COUNTER.service, COUNTER.key, b"l")
        large_row = {keys.large_state_key(key): values.encode(LargeStateRow(7, _SIZE, packing)), key: b""}
        small = {key[:-1] + b"k": b"", key[:-1] + b"m": b"small"}
        node.store.commit(large_row | small | {keys.large_key(place, 7): _STORED[packing]})
        read = node.leader.read_state
        whole = [(b"k", b""), (b"l", _CONTENT), (b"m", b"small")]
        assert list(read(COUNTER, value_bytes_limit=_SIZE)) == whole
        node.store.commit({keys.large_key(place, 7): None})
        assert list(read(COUNTER, value_bytes_limit=_SIZE - 1)) == [whole[0], (b"l", None), whole[2]]

    simulate(scenario())
