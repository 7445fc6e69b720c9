"""Who may import whom, and what a pure module may not do (ARCHITECTURE.md, "The rules of shape")."""

from __future__ import annotations

import ast
import fnmatch
from collections.abc import Iterator

import pytest

from tests.tidy.sources import DAEMONS, PACKAGES, Source, settings, sources

#: Forbidden in a pure module -> what to do instead.
INSTEAD = {
    "asyncio": "return actions; the shell waits",
    "socket": "take and return bytes; the shell has the sockets",
    "ssl": "take and return bytes; the shell has the sockets",
    "threading": "keep no shared state; the shell has the threads",
    "subprocess": "return actions; the shell starts processes",
    "multiprocess": "return actions; the shell starts processes",
    "multiprocessing": "return actions; the shell starts processes",
    "os": "take what you need as an argument",
    "pathlib": "take bytes; the shell has the files",
    "tempfile": "take bytes; the shell has the files",
    "time": "take the time from the record, or as an argument",
    "datetime": "take milliseconds from the record, or as an argument",
    "random": "take random bytes as an argument",
    "secrets": "take random bytes as an argument",
    "uuid": "take the id as an argument; shared.ids makes ids of given bytes",
    "logging": "return or raise what happened; the shell logs it",
    "rocksdict": "use a port (a Protocol); the shell has RocksDB",
    "pyarrow": "return rows; the shell makes Arrow of them",
    "datafusion": "return rows; the shell has the engine",
    "aiohttp": "take and return values; the shell speaks HTTP",
    "uvloop": "return actions; the shell has the loop",
    "h2": "take events; the shell holds connection state",
    "pysyncobj": "take committed batches; logd's shell has Raft",
}

#: Looks into the data of every daemon, so that it needs what they write. What is pure can be had without the daemon's
#: sockets and loops; of the rest only the stores: scratch folders are written as partitiond writes its own.
_LOOKS_INTO_ALL = "scripts.debug."
_STORES = ("logd.store", "partitiond.store.rocksdb")

#: What a package may import of ours.
ALLOWED = {daemon: {daemon, "shared"} for daemon in DAEMONS} | {"shared": {"shared"}, "scripts": {"scripts", "shared"}}


def _imports(source: Source) -> Iterator[tuple[int, str]]:
    """(line, dotted module) of each import, those for type checkers only left out."""
    for_types = {
        id(child)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for child in ast.walk(node)
    }
    for node in ast.walk(source.tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{source.name}:{node.lineno}: import by the full name"
            yield node.lineno, node.module or ""
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def _in_list(name: str, key: str) -> bool:
    return any(fnmatch.fnmatch(name, pattern) for pattern in settings()[key])


def test_core_modules_are_pure() -> None:
    """The list in pyproject names the packages that hold decisions and formats; each module of them must say so."""
    found = [source for source in sources() if _in_list(source.name, "pure") and not _in_list(source.name, "impure")]
    silent = [source.name for source in found if not source.is_pure]
    assert found
    assert not silent, f"core modules whose docstring does not say 'Pure: no I/O.': {silent}"


@pytest.mark.parametrize("source", [s for s in sources() if s.is_pure], ids=lambda source: source.name)
def test_pure_module_does_no_io(source: Source) -> None:
    problems = []
    for line, name in _imports(source):
        instead = INSTEAD.get(name.partition(".")[0])
        if instead is not None:
            problems.append(f"{source.name}:{line}: imports {name}: {instead}")
    for node in ast.walk(source.tree):
        if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith):
            problems.append(f"{source.name}:{node.lineno}: is async: a pure module is called and returns")
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("open", "print", "input")
        ):
            problems.append(f"{source.name}:{node.lineno}: calls {node.func.id}: return it; the shell does I/O")
    assert not problems, "\n".join(problems)


def test_pure_modules_import_pure_modules_only() -> None:
    by_name = {source.module: source for source in sources()}
    problems = [
        f"{source.name}:{line}: {name} is not pure"
        for source in sources()
        if source.is_pure
        for line, name in _imports(source)
        if (found := by_name.get(name)) is not None and not found.is_pure and not found.name.endswith("__init__.py")
    ]
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("package", PACKAGES)
def test_package_imports_only_what_it_may(package: str) -> None:
    problems = [
        f"{source.name}:{line}: {package} may not import {name}; what two daemons say to each other is in shared/api"
        for source in sources()
        if source.module.partition(".")[0] == package
        for line, name in _imports(source)
        if (top := name.partition(".")[0]) in (*PACKAGES, "tests")
        and top not in ALLOWED[package]
        and not _may_look_into(source, name)
    ]
    assert not problems, "\n".join(problems)


def _may_look_into(source: Source, name: str) -> bool:
    """`name` is a module or something in one."""
    if not source.module.startswith(_LOOKS_INTO_ALL):
        return False
    by_name = {found.module: found for found in sources()}
    found = by_name.get(name) or by_name.get(name.rpartition(".")[0])
    # A package's `__init__` holds its map and nothing else.
    return found is not None and (found.is_pure or found.name.endswith("__init__.py") or found.module in _STORES)


def test_machine_is_deterministic_to_read() -> None:
    """Two replays give the same store: nothing in the machine depends on hashes, addresses or the order of a set."""
    problems = []
    for source in sources():
        if not _in_list(source.name, "deterministic"):
            continue
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("hash", "id"):
                problems.append(f"{source.name}:{node.lineno}: {node.func.id}() differs between processes")
            if isinstance(node, ast.For | ast.comprehension) and _is_set(node.iter):
                problems.append(f"{source.name}:{node.iter.lineno}: the order of a set differs: sort it")
    assert not problems, "\n".join(problems)


def _is_set(node: ast.expr) -> bool:
    if isinstance(node, ast.Set | ast.SetComp):
        return True
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("set", "frozenset")
