"""Everything private of pysyncobj is used in one file, and is there."""

from __future__ import annotations

import re
from pathlib import Path

import pysyncobj.syncobj
import pytest
from pysyncobj import SyncObj

import logd
from logd.raft import private
from logd.raft.private import PRIVATE_ATTRIBUTES, PRIVATE_METHODS, Engine, check_version, missing_names
from shared.errors import ConfigError
from tests.logd.raft.members import OurMember, StockMember

_LOGD = Path(logd.__file__).parent
_PRIVATE = Path(private.__file__)


def test_installed_pysyncobj_is_the_pinned_one(monkeypatch: pytest.MonkeyPatch) -> None:
    check_version()
    monkeypatch.setattr(private, "VERSION", "0.3.18")
    with pytest.raises(ConfigError, match=r"pip install pysyncobj==0\.3\.17"):
        check_version()


@pytest.mark.parametrize("name", PRIVATE_METHODS)
def test_private_method_is_there(name: str) -> None:
    assert callable(getattr(SyncObj, name))


@pytest.mark.parametrize("name", PRIVATE_ATTRIBUTES)
def test_private_attribute_is_there(name: str) -> None:
    assert hasattr(StockMember("b").raft, name)


def test_a_missing_name_is_found() -> None:
    engine = OurMember("b").raft
    assert missing_names(engine) == []
    del engine._SyncObj__raftNextIndex
    assert missing_names(engine) == ["_SyncObj__raftNextIndex"]


def test_module_globals_are_there() -> None:
    assert callable(private._stock_create_journal)
    assert pysyncobj.syncobj.createJournal is private._create_journal
    assert (private.COMMAND, private.NO_OP) == (0, 1)


def test_lists_name_what_the_file_uses() -> None:
    used = set(re.findall(r"_SyncObj__\w+", _PRIVATE.read_text()))
    listed = {name for name in PRIVATE_METHODS + PRIVATE_ATTRIBUTES if name.startswith("_SyncObj__")}
    assert used == listed


def test_no_other_file_uses_private_names() -> None:
    private_names = re.compile("|".join(["_SyncObj__", *(f"\\b{name}\\b" for name in ("_isLeader", "_getLeader"))]))
    users = [path.name for path in _LOGD.rglob("*.py") if private_names.search(path.read_text())]
    assert users == [_PRIVATE.name]


def test_overridden_methods_are_called_by_the_stock_code() -> None:
    """An override of a name that pysyncobj calls no more would do nothing, silently."""
    source = Path(pysyncobj.syncobj.__file__).read_text()
    overridden = [name for name in PRIVATE_METHODS if name in vars(Engine)]
    assert len(overridden) == 4
    for name in overridden:
        plain = name.removeprefix("_SyncObj")
        assert f"self.{plain}(" in source, name
