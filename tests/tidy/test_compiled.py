"""What `scripts/compile` makes C extensions of: the lists in pyproject.toml, and the extensions where they are made."""

from __future__ import annotations

import ast
import importlib.util
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _lists() -> tuple[list[str], list[str]]:
    lists = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["everlog"]
    return lists["compiled"], lists["interpreted"]


def _compiled() -> list[Path]:
    patterns, interpreted = _lists()
    found = {path for pattern in patterns for path in ROOT.glob(pattern)}
    return sorted(found - {ROOT / path for path in interpreted})


def test_the_lists_name_what_is_there() -> None:
    patterns, interpreted = _lists()
    assert [pattern for pattern in patterns if not list(ROOT.glob(pattern))] == []
    matched = {path for pattern in patterns for path in ROOT.glob(pattern)}
    assert [path for path in interpreted if ROOT / path not in matched] == []


def _trouble(source: str) -> list[str]:
    """What mypyc takes without a word and makes something else of, or that it has no code for."""
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef) and any("Struct" in ast.unparse(base) for base in node.bases):
            found.append(f"{node.name} is a struct of msgspec, whose keywords get lost")
        elif isinstance(node, ast.AsyncFunctionDef) and any(isinstance(inner, ast.Yield) for inner in ast.walk(node)):
            found.append(f"{node.name} is an asynchronous generator")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            caught: dict[str, str] = {}
            for handler in ast.walk(node):
                if isinstance(handler, ast.ExceptHandler) and handler.name is not None and handler.type is not None:
                    kind = ast.unparse(handler.type)
                    if caught.setdefault(handler.name, kind) != kind:
                        found.append(f"{node.name} names two kinds of error {handler.name}, the second is a TypeError")
    return found


def test_what_is_compiled_has_nothing_that_the_compiler_gets_wrong() -> None:
    found = {str(path.relative_to(ROOT)): _trouble(path.read_text()) for path in _compiled()}
    assert {path: trouble for path, trouble in found.items() if trouble} == {}


@pytest.mark.parametrize(
    "source",
    [
        "class A(msgspec.Struct, frozen=True): pass",
        "async def f():\n    yield 1",
        "def f():\n    try: g()\n    except A as error: pass\n    except B as error: pass",
    ],
)
def test_trouble_is_seen(source: str) -> None:
    assert len(_trouble(source)) == 1


@pytest.mark.skipif(not (ROOT / "compiled.stamp").exists(), reason="this is not the copy that scripts/compile makes")
def test_all_of_it_is_compiled_in_the_compiled_copy() -> None:
    for path in _compiled():
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        assert spec.origin.endswith(".so"), name
        assert Path(spec.origin).is_relative_to(ROOT), name
