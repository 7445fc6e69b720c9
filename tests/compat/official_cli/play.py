"""Carries out chapters on one runtime with the official command line. Owns: its processes and their home."""

from __future__ import annotations

import itertools
import json
import os
import re
import shlex
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.compat.official_cli.masks import tidied
from tests.compat.official_cli.steps import Child, Cli, Deployment, Http, State, Step, Until, titled
from tests.compat.official_cli.terminal import run_on_terminal
from tests.conftest import eventually

__all__ = ["Play"]

_WAIT_S = 20.0
_COMMAND_S = 60.0
_TOGETHER = 3
#: Writes the variable EDIT, if there is one, in the place of what it is given.
_EDITOR = """#!/bin/sh
[ -z "$EDIT" ] || printf '%s' "$EDIT" > "$1"
"""


class Play:
    """`ingress`, `admin`: base URLs. `services`, `nobody`: see `steps`. `seldom`: also those commands."""

    def __init__(
        self, binary: str, folder: Path, *, ingress: str, admin: str, services: str, nobody: str, seldom: bool = True
    ) -> None:
        self._binary, self._folder, self._seldom = binary, folder, seldom
        self._ingress, self._admin = ingress, admin
        self._known = {"services": services, "nobody": nobody, "admin": admin, "ingress": ingress}
        self._known["folder"] = str(folder)
        self._home = folder / "home"
        self._home.mkdir()
        self._known["editor"] = str(folder / "editor")
        (folder / "editor").write_text(_EDITOR)
        (folder / "editor").chmod(0o700)
        config = self._home / ".config" / "restate" / "config.toml"
        config.parent.mkdir(parents=True)
        config.write_text(f'[mine]\nadmin_base_url = "{admin}"\n')

    def chapter(self, steps: tuple[Step, ...]) -> dict[str, str]:
        """-> by command, as `titled` has it: what it printed, tidied, and its exit status."""
        told: dict[str, str] = {}
        titles = {id(step): title for title, step in titled(steps).items()}
        for changes, group in itertools.groupby(steps, lambda step: not isinstance(step, Cli) or step.changes):
            chosen = [step for step in group if self._seldom or not (isinstance(step, Cli) and step.seldom)]
            commands = [step for step in chosen if isinstance(step, Cli)]
            if changes:
                outputs = [each for each in map(self._carry_out, chosen) if each is not None]
            else:
                with ThreadPoolExecutor(_TOGETHER) as threads:
                    outputs = list(threads.map(self._run, commands))
            told |= {titles[id(step)]: output for step, output in zip(commands, outputs, strict=True)}
        return told

    def _carry_out(self, step: Step) -> str | None:
        if isinstance(step, Cli):
            return self._run(step)
        if isinstance(step, Http):
            self._http(step)
        elif isinstance(step, Until):
            eventually(lambda: self._is(step), _WAIT_S, what=str(step))
        elif isinstance(step, Child):
            self._known[step.name] = eventually(lambda: self._child(step), _WAIT_S, what=str(step))
        elif isinstance(step, State):
            eventually(lambda: self._state(step) == step.value, _WAIT_S, what=str(step))
        else:
            self._known[step.name] = self._deployment(step)
        return None

    def _run(self, step: Cli) -> str:
        command = [self._binary, *(self._filled(word) for word in shlex.split(step.words))]
        environment = self._environment(step.environment)
        if step.typed:
            code, shown = run_on_terminal(command, environment, step.typed, timeout_s=_COMMAND_S)
            return f"{self._tidied(shown, shuffled=step.shuffled)}\n--- exit {code}"
        done = subprocess.run(
            command, env=environment, cwd=self._home, stdin=subprocess.DEVNULL, capture_output=True, timeout=_COMMAND_S
        )
        texts = [self._tidied(each.decode(), shuffled=step.shuffled) for each in (done.stdout, done.stderr)]
        return "\n".join([*([texts[0]] if texts[0] else []), *(["--- stderr", texts[1]] if texts[1] else [])]) + (
            f"\n--- exit {done.returncode}"
        )

    def _environment(self, more: Mapping[str, str]) -> dict[str, str]:
        """Nothing of ours: variables of a CI would answer its questions, and be told as a deployment's metadata."""
        plain = {
            "PATH": os.environ["PATH"],
            "HOME": str(self._home),
            "RESTATE_ADMIN_URL": self._admin,
            "DO_NOT_TRACK": "1",
            "NO_COLOR": "1",
            "TZ": "UTC",
        }
        return {name: each for name, each in (plain | {k: self._filled(v) for k, v in more.items()}).items() if each}

    def _tidied(self, printed: str, *, shuffled: bool) -> str:
        names = {value: name for name, value in self._known.items()}
        text = tidied(printed, names)
        return "\n".join(sorted(text.splitlines())) if shuffled else text

    def _filled(self, text: str) -> str:
        return re.sub(r"\{([a-z]+( [a-z]+)*)\}", lambda match: self._known[match[1]], text)

    def _http(self, step: Http) -> None:
        headers = {"content-type": "application/json"} if step.body is not None else {}
        body = None if step.body is None else json.dumps(step.body).encode()
        # Invocations are listed by their times, which have milliseconds.
        time.sleep(0.002)
        request = urllib.request.Request(
            self._ingress + self._filled(step.path), body, headers | dict(step.headers), method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=_WAIT_S) as response:
                self._known[step.name] = response.headers["x-restate-id"]
        except urllib.error.HTTPError as error:
            with error:
                self._known[step.name] = error.headers["x-restate-id"]
        assert self._known[step.name], step

    def _is(self, step: Until) -> bool:
        return bool(self._row(step.name).get("status") == step.status)

    def _row(self, name: str) -> dict[str, Any]:
        rows = self._query(f"select * from sys_invocation where id = '{self._known[name]}'")
        return rows[0] if rows else {}

    def _child(self, step: Child) -> str:
        rows = self._query(
            f"select id from sys_invocation where invoked_by_id = '{self._known[step.parent]}' "
            f"and target_handler_name = '{step.handler}'"
        )
        return str(rows[0]["id"]) if rows else ""

    def _state(self, step: State) -> str | None:
        rows = self._query(
            f"select value_utf8 from state where service_name = '{step.service}' and service_key = '{step.key}' "
            f"and key = '{step.name}'"
        )
        return rows[0]["value_utf8"] if rows else None

    def _deployment(self, step: Deployment) -> str:
        with urllib.request.urlopen(f"{self._admin}/deployments", timeout=_WAIT_S) as response:
            found = json.loads(response.read())["deployments"]
        (matching,) = [each["id"] for each in found if each["uri"].rstrip("/").endswith(step.path)]
        return str(matching)

    def _query(self, sql: str) -> list[dict[str, Any]]:
        headers = {"content-type": "application/json", "accept": "application/json"}
        request = urllib.request.Request(f"{self._admin}/query", json.dumps({"query": sql}).encode(), headers)
        with urllib.request.urlopen(request, timeout=_WAIT_S) as response:
            rows: list[dict[str, Any]] = json.loads(response.read())["rows"]
        return rows
