"""The log is as long as two checkpoints, however much goes through it. `steady.py` shows the disk for hours."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import uvloop

from shared.api.log import GroupStatus, LogReply, LogStatus, LogStatusReply, partition_group
from shared.config import Settings
from shared.rpc.client import RpcCaller
from shared.snapshots.checkpoints import KEPT, checkpoints_folder, kept_lsns
from tests.processes.steady import Steady, running_logd

_LOG_BYTES = 256 * 1024


async def groups(settings: Settings) -> dict[str, GroupStatus]:
    log = RpcCaller(settings.socket("logd"), msgspec.msgpack.Decoder(LogReply).decode, name="logd")
    log.start()
    status = await log.call(LogStatus(0))
    await log.close()
    assert isinstance(status, LogStatusReply)
    return {row.group: row for row in status.groups}


@pytest.mark.slow
@pytest.mark.processes
def test_the_log_begins_behind_the_older_of_two_kept_checkpoints(tmp_path: Path) -> None:
    settings = Settings(data_dir=str(tmp_path), partitions=2, checkpoint_log_bytes=_LOG_BYTES, cleanup_interval_s=1.0)

    async def run() -> None:
        steady = Steady(settings, clients=64, retention_ms=500)
        await steady.run(enough=lambda: steady.trims >= 5, seconds=60, sample_every_s=0.2, print_lines=False)
        status = await groups(settings)
        for number in steady.processors:
            row = status[partition_group(number)]
            kept = kept_lsns(checkpoints_folder(tmp_path, number))
            # The last one may have been kept when there was no time any more to drop the oldest, or to trim.
            assert len(kept) in (KEPT, KEPT + 1)
            assert steady.trimmed_lsns[row.group][-2] < row.first_lsn <= kept[-KEPT] + 1
        # Of each invocation two records were in the log, about 550 bytes.
        assert steady.invocations * 500 > 1.5 * sum(row.stored_bytes for row in status.values())

    with running_logd(settings):
        uvloop.run(run())
