"""What wrk, perf and /proc/mounts print, read."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.benchmark.load import LoadError, parse_result
from scripts.benchmark.profiler import profile_name
from scripts.benchmark.synced import file_system, parse_perf

_RESULT = (
    'RESULT {{"requests": {requests}, "duration_us": 2000000, "p50_us": 1500, "p99_us": 9000, "max_us": 12000, '
    '"status": {status}, "connect": 0, "read": 0, "write": 0, "timeout": {timeout}}}'
)


def test_result_of_wrk() -> None:
    result = parse_result("Running 2s test\n" + _RESULT.format(requests=4000, status=0, timeout=0) + "\nmore")
    assert (result.requests, result.seconds, result.p50_ms, result.p99_ms, result.max_ms) == (4000, 2.0, 1.5, 9.0, 12.0)
    assert result.invalid == ""


def test_one_failed_call_makes_a_run_invalid() -> None:
    result = parse_result(_RESULT.format(requests=4000, status=3, timeout=1))
    assert result.invalid == "3 answers that were not 2xx, 1 calls over the time limit"


def test_run_without_an_answer_is_invalid() -> None:
    assert parse_result(_RESULT.format(requests=0, status=0, timeout=0)).invalid == "no call was answered"


def test_wrk_without_a_result_is_an_error() -> None:
    with pytest.raises(LoadError, match="unable to connect"):
        parse_result("unable to connect to 127.0.0.1:1 Connection refused")


def test_perf_counts_are_summed() -> None:
    counted = [
        "200;;syscalls:sys_enter_fdatasync;1091988475;100.00;;",
        "3;;syscalls:sys_enter_fsync;1091988475;100.00;;",
        "<not counted>;;syscalls:sys_enter_msync;0;100.00;;",
    ]
    assert parse_perf(counted) == 203
    assert parse_perf(["0;;syscalls:sys_enter_fsync;1;100.00;;"]) == 0
    assert parse_perf(["No permission to enable syscalls:sys_enter_fsync event."]) is None


_MOUNTS = """\
/dev/vda / ext4 rw,relatime 0 0
tmpfs /dev/shm tmpfs rw 0 0
/dev/vdb /dev/shm/disk xfs rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/tmp/x", "ext4"), ("/dev/shm", "tmpfs"), ("/dev/shmem", "ext4"), ("/dev/shm/disk/x", "xfs"), ("/", "ext4")],
)
def test_file_system_under_a_path(path: str, kind: str) -> None:
    assert file_system(Path(path), _MOUNTS) == kind


def test_profiles_are_named_after_modules() -> None:
    assert profile_name("/venv/bin/python -P -m partitiond.ingress --data-dir /d") == "partitiond.ingress"
    assert profile_name("/venv/bin/python -P -m partitiond --data-dir /d") == "partitiond"
    assert profile_name("/venv/bin/python -P -m partitiond --data-dir /d worker 1") == "partitiond-1"
    assert profile_name("/venv/bin/python -c from multiprocess.spawn import spawn_main; spawn_main()") == "worker"
    assert profile_name("/venv/bin/python x.py") == "python"
