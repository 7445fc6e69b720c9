"""An invoker that only writes down what it was asked for."""

from __future__ import annotations

from typing import Any

from shared.storage.values import InvocationRow
from shared.wal.commands import DeploymentChoice, FailureDetail, Target

__all__ = ["RecordingInvoker"]


class RecordingInvoker:
    """`calls` holds (verb, invocation id, generation), in order."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, bytes, int]] = []
        self.rows: dict[bytes, InvocationRow] = {}
        #: How many calls there were when it was told to write now.
        self.written = 0
        #: What tests let it know: last failures by invocation, deployments by id (None: of new invocations).
        self.failures: dict[bytes, FailureDetail] = {}
        self.deployments: dict[str | None, DeploymentChoice] = {}

    @property
    def started(self) -> list[bytes]:
        """Ids in the order of their starts."""
        return [invocation_id for verb, invocation_id, _ in self.calls if verb == "start"]

    def start(self, host: Any, invocation_id: bytes, row: InvocationRow, input: bytes | None = None) -> None:
        self.calls.append(("start", invocation_id, row.generation))
        self.rows[invocation_id] = row

    def notify(self, host: Any, invocation_id: bytes, generation: int, index: int, entry_type: int, raw: bytes) -> None:
        self.calls.append(("notify", invocation_id, generation))

    def ack(self, host: Any, invocation_id: bytes, generation: int, command_index: int) -> None:
        self.calls.append(("ack", invocation_id, command_index))

    def ack_run(self, host: Any, invocation_id: bytes, generation: int, completion_id: int) -> None:
        self.calls.append(("ack_run", invocation_id, completion_id))

    def abort(self, host: Any, invocation_id: bytes, generation: int) -> None:
        self.calls.append(("abort", invocation_id, generation))

    def refuse_suspension(self, host: Any, invocation_id: bytes, generation: int, completions: list[int]) -> None:
        self.calls.append(("refuse_suspension", invocation_id, generation))

    def retry_now(self, host: Any, invocation_id: bytes, generation: int) -> None:
        self.calls.append(("retry_now", invocation_id, generation))

    def write_now(self) -> None:
        self.written = len(self.calls)

    def last_failure(self, host: Any, invocation_id: bytes) -> FailureDetail | None:
        return self.failures.get(invocation_id)

    def deployment_of(self, target: Target, wanted: str | None) -> DeploymentChoice | None:
        return self.deployments.get(wanted)

    def abort_all(self, host: Any) -> None:
        self.calls.append(("abort_all", b"", 0))
