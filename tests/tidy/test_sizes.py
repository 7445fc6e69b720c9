"""Files and functions stay small. What is over a limit is listed in pyproject with its size, which may only shrink."""

from __future__ import annotations

import ast

from tests.tidy.sources import settings, sources, sources_of_tests


def _over(sizes: dict[str, int], limit: int, ratchet: dict[str, int]) -> list[str]:
    problems = [
        f"{name} has {size} lines, over the limit of {ratchet.get(name, limit)}: split it"
        for name, size in sizes.items()
        if size > ratchet.get(name, limit)
    ]
    stale = [
        f"{name} is in the ratchet with {allowed} but has {sizes.get(name, 0)} lines: lower the number or take it out"
        for name, allowed in ratchet.items()
        if sizes.get(name, 0) < allowed
    ]
    return problems + stale


def test_files_are_short() -> None:
    sizes = {source.name: source.text.count("\n") for source in (*sources(), *sources_of_tests())}
    problems = _over(sizes, settings()["file_lines_max"], settings()["ratchet"]["files"])
    assert not problems, "\n".join(problems)


def test_functions_are_short() -> None:
    sizes = {
        f"{source.name}:{node.name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for source in (*sources(), *sources_of_tests())
        for node in ast.walk(source.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    problems = _over(sizes, settings()["function_lines_max"], settings()["ratchet"]["functions"])
    assert not problems, "\n".join(problems)


def test_nothing_is_left_to_fix() -> None:
    marks = ("FIX" + "ME", "XX" + "X")
    problems = [
        f"{source.name}:{number}: {line.strip()}"
        for source in (*sources(), *sources_of_tests())
        for number, line in enumerate(source.text.splitlines(), 1)
        if any(mark in line for mark in marks)
    ]
    assert not problems, "\n".join(problems)
