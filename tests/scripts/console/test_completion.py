"""What a bash completes behind `everlog`, by the code that `everlog completion bash` prints."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.http_node import HttpNode, http_node
from tests.scripts.console.people_world import furnish

pytestmark = [pytest.mark.slow, pytest.mark.processes]

_ROOT = Path(__file__).resolve().parents[3]
#: Asks for completions of a line as readline does, and prints one a line.
_ASK = """
set -u
source <(everlog completion bash)
function_name=$(complete -p everlog | sed 's/.*-F \\([^ ]*\\) .*/\\1/')
while IFS= read -r line; do
    COMP_LINE=$line COMP_POINT=${#line} COMP_TYPE=9 COMP_KEY=9
    read -ra COMP_WORDS <<<"$line"
    [[ $line == *' ' ]] && COMP_WORDS+=('')
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    COMPREPLY=()
    "$function_name" everlog "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}" 2>/dev/null
    printf '%s|' "${COMPREPLY[@]:-}"
    echo
done
"""


class _Shell:
    """A bash that has loaded the completion."""

    def __init__(self, folder: Path, url: str) -> None:
        program = folder / "everlog"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m scripts.cli.main "$@"\n')
        program.chmod(0o755)
        clean = {name: value for name, value in os.environ.items() if not name.startswith("EVERLOG_")}
        self._environ = {
            **clean,
            "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(_ROOT),
            "EVERLOG_ADMIN_URL": url,
        }

    def completes(self, *lines: str) -> list[list[str]]:
        """Per line."""
        done = subprocess.run(
            ["bash", "-c", _ASK],
            input="\n".join(lines) + "\n",
            env=self._environ,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        answers = [[word.strip() for word in line.split("|") if word.strip()] for line in done.stdout.splitlines()]
        assert len(answers) == len(lines), done.stdout + done.stderr
        return answers


@pytest.fixture
def node() -> Iterator[HttpNode]:
    with http_node() as stub:
        furnish(stub)
        yield stub


def test_bash_completes_verbs_names_and_ids(node: HttpNode, tmp_path: Path) -> None:
    if shutil.which("bash") is None:
        pytest.skip("bash is absent: completion is NOT tested")
    python, typescript = "dp_14q0Rn1lGSPyaYXT9oW9Ptd", "dp_11NSU4ZSzOlqYmIaWcL1mFT"
    expected = {
        "everlog inv": ["invoke", "invocations"],
        "everlog invoke ": ["Greeter/", "Counter/", "SignUp/"],
        "everlog invoke Greeter/": ["Greeter/greet", "Greeter/welcome"],
        "everlog invoke Counter/apples/": ["Counter/apples/add", "Counter/apples/get"],
        "everlog invoke --idem": ["--idempotency-key"],
        "everlog deployments ": ["list", "register", "remove", python, typescript],
        "everlog deployments remove dp_14": [python],
        "everlog invocations --service C": ["Counter"],
        "everlog invocations kill --handler ": ["add", "get", "greet", "run", "welcome"],
        "everlog invocations --status p": ["pending", "paused"],
        "everlog state ": ["get", "set", "clear", "edit", "Counter", "SignUp"],
        "everlog rules delete ": ["acme", r"acme/\*"],
        "everlog completion ": ["bash", "zsh", "fish"],
    }
    shell = _Shell(tmp_path, node.url)
    assert dict(zip(expected, shell.completes(*expected), strict=True)) == expected


def test_node_that_is_away_completes_nothing_and_says_nothing(tmp_path: Path) -> None:
    shell = _Shell(tmp_path, "http://127.0.0.1:1")
    assert shell.completes("everlog services ", "everlog status --js") == [[], ["--json"]]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_code_of_their_own(shell: str, tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-m", "scripts.cli.main", "completion", shell]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert "everlog" in done.stdout
    if (program := shutil.which(shell)) is not None:
        checked = subprocess.run([program, "-n"], input=done.stdout, capture_output=True, text=True, timeout=60)
        assert checked.returncode == 0, checked.stderr
