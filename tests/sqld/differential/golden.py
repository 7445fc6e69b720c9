"""What the oracle answered: `golden.json`, made anew by `python -m tests.sqld.differential.golden`.

With `--check` nothing is written: differences are printed, and the status is 1 when there are any. Owns: the oracle's
and the service's processes.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.fakes.private_oracle import private_oracle
from tests.sqld.differential import queries, scene
from tests.sqld.differential.stage import Answer, opened, running_service

__all__ = ["GOLDEN", "asked", "load"]

GOLDEN = Path(__file__).with_name("golden.json")
#: Without virtual queues, rows are where they are by default.
_PLAIN = {
    "RESTATE_EXPERIMENTAL_ENABLE_VQUEUES": "false",
    "RESTATE_EXPERIMENTAL_ENABLE_SCOPED_VIRTUAL_OBJECTS": "false",
}


def load() -> dict[str, dict[str, Any]]:
    """By the query's name."""
    golden: dict[str, dict[str, Any]] = json.loads(GOLDEN.read_text())
    return golden


async def asked(
    name: str, ingress: str, admin: str, service: str, *, plain: bool = True, scoped: bool = True
) -> dict[str, Answer]:
    """Bring a runtime to the scene and ask it everything."""
    answers: dict[str, Answer] = {}
    async with opened(name, ingress, admin, service) as runtime:
        for wanted, cases, questions in (
            (plain, scene.PLAIN, queries.PLAIN),
            (scoped, scene.SCOPED, queries.SCOPED),
        ):
            if wanted:
                await runtime.play(cases)
                answers |= {query.name: await runtime.ask(query) for query in questions}
    return answers


def _ask_oracle(folder: Path) -> dict[str, dict[str, Any]]:
    answers: dict[str, Answer] = {}
    with running_service(folder) as service:
        for environment, parts in ((_PLAIN, {"scoped": False}), ({}, {"plain": False})):
            place = folder / ("scoped" if "plain" in parts else "plain")
            place.mkdir()
            with private_oracle(place, **environment) as oracle:
                answers |= asyncio.run(asked("o", oracle.ingress, oracle.admin, service, **parts))
    return {name: answer.as_json() for name, answer in answers.items()}


def _write(answers: dict[str, dict[str, Any]]) -> None:
    """One answer a line, so that a difference is one."""
    lines = [f"{json.dumps(name)}: {json.dumps(answers[name], ensure_ascii=False)}" for name in sorted(answers)]
    GOLDEN.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="everlog-golden-") as folder:
        answers = _ask_oracle(Path(folder))
    if "--check" not in sys.argv:
        _write(answers)
        return 0
    golden = load()
    different = sorted(name for name in golden.keys() | answers.keys() if golden.get(name) != answers.get(name))
    for name in different:
        print(f"{name}\n  golden {golden.get(name)}\n  oracle {answers.get(name)}")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
