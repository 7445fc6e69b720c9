"""The TypeScript SDK's own client tests, which its repository runs beside the suites: by vitest, from the checkout.

Without the one that measures the SDK's heap under load for minutes: that is about the SDK alone.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest

from tests.compat.sdk_suites.conftest import Suite

pytestmark = [pytest.mark.slow, pytest.mark.processes, pytest.mark.timeout(600)]
CONFIGURATIONS = ("default",)
#: Parts of names of tests that are known to fail, and why.
_KNOWN = {
    "preview encode/decode endpoints": "the admin API has no route for previews of serdes",
    "invocation pause requested in the middle of a run": "it fails on 1.7.12 with virtual queues too",
}


def test_all(suite: Suite) -> None:
    if suite.checkout.sdk != "typescript":
        pytest.skip("it is the TypeScript SDK's")
    folder = suite.services.folder
    command = [
        shutil.which("node") or "node",
        "--import",
        "./polyfill.mjs",
        "node_modules/vitest/vitest.mjs",
        "run",
        "--exclude=**/memory_leak.test.ts",
        "--reporter=json",
        "--outputFile=vitest.json",
        *(["-t", os.environ["EVERLOG_CASES"]] if "EVERLOG_CASES" in os.environ else []),
    ]
    environ = {**os.environ, "RESTATE_INGRESS_URL": suite.client.ingress, "RESTATE_ADMIN_URL": suite.client.admin}
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=590)
    report = folder / "vitest.json"
    assert report.exists(), done.stdout + done.stderr
    told = json.loads(report.read_text())
    cases = [case for file in told["testResults"] for case in file["assertionResults"]]
    failed = [(case["fullName"], case["failureMessages"]) for case in cases if case["status"] == "failed"]
    news = [(name, why) for name, why in failed if not any(part in name for part in _KNOWN)]
    print(f"vitest: {len(cases)} tests, {len(failed)} failed, {len(news)} of them not known to")
    assert not news, json.dumps(news, indent=1)
