"""The soak's own checks find what is wrong: on data of a stopped node, and on made-up accounts."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.storage import keys
from tests.formats.golden_node import PARTITIONS, unpack
from tests.shared.golden import NEWEST
from tests.soak.clients import Clients
from tests.soak.replica import Replicas


@pytest.fixture
def replicas(tmp_path: Path) -> Replicas:
    """With the rows of a golden node, as if they had replayed its log."""
    unpack(NEWEST, tmp_path)
    made = Replicas(tmp_path / "data", tmp_path / "replicas", partitions=PARTITIONS)
    for replica in made.members:
        replica.copy()
    return made


def test_equal_stores_have_no_problems(replicas: Replicas) -> None:
    replicas.compare()
    assert (replicas.problems, replicas.compared) == ([], PARTITIONS)
    assert replicas.rows > 100


def test_a_row_more_is_found(replicas: Replicas) -> None:
    replicas.members[1].store.commit({keys.STATE + bytes(30): b"x"})
    replicas.compare()
    [problem] = replicas.problems
    assert problem.startswith("p-1: at lsn=")


def clients() -> Clients:
    return Clients("http://nowhere", services=["Counter"], seed=1, scale=1)


def test_accounts_tell_what_is_lost_and_what_is_repeated(tmp_path: Path) -> None:
    steps = tmp_path / "steps"
    account = clients()
    account.check_sums("right", [1, 2, 3], 3)
    account.tokens["w"] = ["t0", "t1", "t2"]
    steps.write_text("w 0 lost-attempt\nw 0 t0\nw 1 t1\nw 2 t2\n")
    account.check_steps(steps)
    assert (account.findings.lost, account.findings.repeated, account.findings.wrong) == ([], [], [])
    account.check_sums("lost", [1, 2, 3], 1)
    assert len(account.findings.lost) == 2
    account.check_sums("twice", [1, 2], 3)
    assert len(account.findings.repeated) == 1
    account.check_sums("told twice", [1, 1], 2)
    assert len(account.findings.wrong) == 1
    steps.write_text("w 0 t0\nw 1 t1\nw 0 again\nw 2 t2\n")
    account.check_steps(steps)
    assert (len(account.findings.lost), len(account.findings.repeated)) == (3, 2)
