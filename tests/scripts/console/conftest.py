"""`everlog` in this process, against a stub of a node."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from scripts.cli.main import main
from tests.fakes.http_node import HttpNode, http_node

__all__ = ["Done", "Everlog"]


class Done(NamedTuple):
    """What a verb came to."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Everlog = Callable[..., Done]


@pytest.fixture
def stub() -> Iterator[HttpNode]:
    """Knows nothing yet."""
    with http_node() as node:
        yield node


@pytest.fixture
def everlog(stub: HttpNode, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Everlog:
    """`everlog("invoke", "Greeter/greet")`: stub's admin API and ingress are at one address."""
    monkeypatch.setenv("EVERLOG_ADMIN_URL", stub.url)
    monkeypatch.setenv("EVERLOG_INGRESS_URL", stub.url)

    def run(*words: str) -> Done:
        try:
            status = main(words)
        except SystemExit as ended:
            status = int(ended.code or 0)
        return Done(status, *capsys.readouterr())

    return run
