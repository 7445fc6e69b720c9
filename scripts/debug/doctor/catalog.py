"""What the control plane decided, beside what the partitions have. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from metad.registry.codec import decode_proposal
from metad.registry.commands import Snapshot
from metad.registry.registry import adopt, apply
from metad.registry.state import EMPTY, RegistryState
from scripts.debug.doctor.findings import Finding, rebuild_remedy
from scripts.debug.ports import LogReader, Rows
from shared.errors import EverlogError
from shared.ids import encode_invocation_id
from shared.storage import keys, values
from shared.storage.values import InvocationRow, PartitionMeta, Status

__all__ = ["check_catalog", "registry_of"]


def registry_of(log: LogReader) -> RegistryState | None:
    """The state that the log of group `meta` gives, from its first record or a snapshot on; None: it is not whole."""
    state, applied_lsn = EMPTY, 0
    for entry in log.entries(log.trim_lsn + 1, log.last_lsn):
        if entry.problem is not None:
            return None
        if entry.payload is None:
            continue
        try:
            proposal = decode_proposal(entry.payload)
        except EverlogError:
            return None
        if isinstance(proposal.command, Snapshot):
            state = adopt(proposal.command, applied_lsn=applied_lsn) or state
        elif applied_lsn == 0 and log.trim_lsn:
            return None
        else:
            state, _ = apply(state, proposal)
        applied_lsn = entry.lsn
    return state


def check_catalog(state: RegistryState, stores: Mapping[int, Rows]) -> Iterator[Finding]:
    """The rows are known to be readable."""
    table = state.partition_table
    ranges = {} if table is None else {part.id: (part.start_key, part.end_key) for part in table.partitions}
    for number, rows in stores.items():
        meta = rows.meta()
        if meta is None:
            continue
        yield from _check_partition(state, number, meta, ranges)
        for key, value in rows.scan(keys.INVOCATION, keys.JOURNAL):
            row = values.decode_invocation(value)
            if row.status is not Status.COMPLETED and row.deployment_id is not None:
                yield from _check_pin(state, number, key[1:], row)


def _check_partition(
    state: RegistryState, number: int, meta: PartitionMeta, ranges: Mapping[int, tuple[int, int]]
) -> Iterator[Finding]:
    where = f"partition {number}"
    if number not in ranges:
        what = "has a store, and is not in the partition table"
        yield Finding("catalog", where, what, "is it of another node, or the log of the control plane lost its end?")
    elif ranges[number] != (meta.start_key, meta.end_key):
        first, last = ranges[number]
        what = (
            f"holds keys {meta.start_key:#x} to {meta.end_key:#x}, and the partition table says {first:#x} to {last:#x}"
        )
        yield Finding("catalog", where, what, rebuild_remedy(number))
    if meta.rules_version > state.rules_version:
        what = f"applies rule book {meta.rules_version}, and the control plane has only {state.rules_version}"
        yield Finding("catalog", where, what, "the log of the control plane lost its end: restore it")


def _check_pin(state: RegistryState, number: int, invocation_id: bytes, row: InvocationRow) -> Iterator[Finding]:
    name = f"{row.target} {encode_invocation_id(invocation_id)}, {row.status.name.lower()},"
    deployment = state.deployments.get(row.deployment_id or "")
    if deployment is None:
        what = f"{name} is pinned to {row.deployment_id}, which is not registered: it cannot go on"
        remedy = "register it again, or resume the invocation on another one (…/resume?deployment=latest)"
        yield Finding("catalog", f"partition {number}", what, remedy)
        return
    lowest, highest = deployment.min_protocol_version, deployment.max_protocol_version
    if not lowest <= row.protocol_version <= highest:
        what = f"{name} speaks protocol {row.protocol_version}, and {deployment.id} speaks {lowest} to {highest}"
        remedy = "resume it on a deployment that speaks its version (…/resume?deployment=<id>)"
        yield Finding("catalog", f"partition {number}", what, remedy)
    elif row.target.service not in deployment.services:
        what = f"{name} is pinned to {deployment.id}, which has no service {row.target.service}"
        yield Finding("catalog", f"partition {number}", what, "register the deployment again, with that service")
