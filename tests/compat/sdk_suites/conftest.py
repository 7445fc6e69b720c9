"""Runs each suite for every checkout and configuration that it names, and prints a table of results.

A suite names its configurations in CONFIGURATIONS. Those of EVERLOG_SDK_CONFIGURATIONS (all by default) are run, on the
runtime that EVERLOG_SDK_RUNTIME names (everlog by default, or oracle). Without a checkout all of it is skipped.
"""

from __future__ import annotations

import functools
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.compat.sdk_suites.checkouts import Checkout, TestServices, find_checkouts, running_services
from tests.compat.sdk_suites.client import Client
from tests.compat.sdk_suites.configurations import CONFIGURATIONS
from tests.compat.sdk_suites.runtimes import Runtime, running_runtime

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Suite:
    """What a test is given."""

    client: Client
    runtime: Runtime
    services: TestServices
    checkout: Checkout
    configuration: str


@functools.cache
def _choices() -> list[tuple[Checkout, str]]:
    """Every checkout in every configuration. One list for all suites, so that pytest groups tests by its places."""
    wanted = os.environ.get("EVERLOG_SDK_CONFIGURATIONS", ",".join(CONFIGURATIONS)).split(",")
    return [
        (checkout, name)
        for checkout in find_checkouts()
        for name, configuration in CONFIGURATIONS.items()
        if name in wanted and (checkout.sdk == "python" or not configuration.unary)
    ]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "suite" not in metafunc.fixturenames:
        return
    choices = _choices()
    if choices:
        identities = [f"{checkout.sdk}-{name}" for checkout, name in choices]
        metafunc.parametrize("suite", choices, ids=identities, indirect=True, scope="session")
    else:
        reason = "SDK SUITES NOT RUN: give a checkout of an SDK to scripts/sdk-suites"
        metafunc.parametrize("suite", [pytest.param(None, marks=pytest.mark.skip(reason=reason))], indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Drop what a suite does not name."""
    left = [item for item in items if not _is_unwanted(item)]
    config.hook.pytest_deselected(items=[item for item in items if _is_unwanted(item)])
    items[:] = left


def _is_unwanted(item: pytest.Item) -> bool:
    choice = item.callspec.params.get("suite") if hasattr(item, "callspec") else None
    return choice is not None and choice[1] not in item.module.CONFIGURATIONS  # type: ignore[attr-defined]


@pytest.fixture(scope="session")
def suite(request: pytest.FixtureRequest) -> Iterator[Suite]:
    """A fresh runtime and the checkout's services, registered."""
    checkout, name = request.param
    configuration = CONFIGURATIONS[name]
    folder = Path(tempfile.mkdtemp(prefix="sdk-suites-"))
    try:
        with (
            running_services(checkout, folder, configuration.environ) as services,
            running_runtime(os.environ.get("EVERLOG_SDK_RUNTIME", "everlog"), configuration) as runtime,
        ):
            client = Client(runtime.ingress, runtime.admin)
            body = {"uri": services.uri, "use_http_11": configuration.unary}
            answer = client.administer("POST", "/deployments", body)
            assert answer.status == 201, answer.body
            yield Suite(client, runtime, services, checkout, name)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def client(suite: Suite) -> Client:
    return suite.client


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """One row a suite, one column a checkout and configuration: passed/failed/skipped."""
    counts: dict[tuple[str, str], dict[str, int]] = {}
    for outcome in ("passed", "failed", "error", "skipped"):
        for report in terminalreporter.stats.get(outcome, []):
            path, _, rest = report.nodeid.partition("::")
            if not path.startswith("tests/compat/sdk_suites/") or "[" not in rest:
                continue
            column = "-".join(rest.split("[")[1].rstrip("]").split("-")[:2])
            cell = counts.setdefault((Path(path).stem.removeprefix("test_"), column), {})
            cell[outcome] = cell.get(outcome, 0) + 1
    if not counts:
        return
    columns = sorted({column for _, column in counts})
    rows = sorted({row for row, _ in counts})
    terminalreporter.write_line("\n| suite | " + " | ".join(columns) + " |")
    terminalreporter.write_line("|---" * (len(columns) + 1) + "|")
    for row in rows:
        cells = [", ".join(f"{n} {what}" for what, n in counts.get((row, column), {}).items()) for column in columns]
        terminalreporter.write_line(f"| {row} | " + " | ".join(cells) + " |")
