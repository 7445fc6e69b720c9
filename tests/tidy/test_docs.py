"""The README says what the code does; the lock files hold only what anybody can have."""

from __future__ import annotations

import importlib
import re
import tomllib
from typing import Any

import pytest

from scripts.cli.main import VERBS
from shared.config import SETTING_DOCS, Settings
from tests.tidy.sources import ROOT

_README = (ROOT / "README.md").read_text()


def _table_of_settings() -> dict[str, tuple[str, str]]:
    """Setting -> (default, meaning), out of the README's table."""
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \|$", _README, re.MULTILINE)
    return {name: (default, meaning) for name, default, meaning in rows}


def test_readme_has_every_setting() -> None:
    assert list(_table_of_settings()) == list(SETTING_DOCS)


def test_readme_tells_defaults_and_meanings_as_the_code_does() -> None:
    defaults = Settings()
    for name, (default, meaning) in _table_of_settings().items():
        value = getattr(defaults, name)
        assert default == (f"`{value}`" if value != "" else ""), name
        assert meaning == SETTING_DOCS[name], name


def test_every_setting_is_documented() -> None:
    assert list(SETTING_DOCS) == list(Settings.__struct_fields__)


@pytest.mark.parametrize("verb", VERBS)
def test_readme_has_every_verb(verb: str) -> None:
    assert f"`everlog {verb}" in _README
    module = importlib.import_module(f"scripts.cli.{verb}")
    assert callable(module.run)
    assert callable(module.add_arguments)


def _project() -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return project


def test_architecture_gives_a_reason_for_every_dependency() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text().partition("## Dependencies")[2]
    names = [requirement.partition("==")[0] for requirement in _project()["dependencies"]]
    assert [name for name in names if f"`{name}`" not in text] == []


def test_architecture_and_readmes_name_only_files_that_exist() -> None:
    """Paths in the pages are whole from the root, or follow one of the same table row or paragraph."""
    for page in ("ARCHITECTURE.md", "README.md", "tests/README.md"):
        for line in (ROOT / page).read_text().splitlines():
            folder = ROOT
            for name in re.findall(r"`([a-z_0-9/]+\.(?:py|md|lock)|[a-z_0-9/]+/)`", line):
                if name == "__init__.py":
                    continue
                candidates = [
                    ROOT / name,
                    (ROOT / page).parent / name,
                    *(parent / name for parent in (folder, *folder.parents)),
                ]
                found = next((path for path in candidates if path.exists()), None)
                assert found is not None, f"{page}: there is no {name}: {line}"
                folder = found if found.is_dir() else found.parent


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_lock_file_is_pinned_by_hash_and_names_no_place(name: str) -> None:
    text = (ROOT / name).read_text()
    wanted = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
    assert wanted
    assert all(re.match(r"^[a-z0-9][a-z0-9._-]*==\S+( ; .*)? \\$", line) for line in wanted)
    assert "://" not in text
    assert "--index" not in text
    assert "file://" not in text


def test_lock_files_have_every_dependency_of_pyproject() -> None:
    project = _project()
    extras = project["optional-dependencies"]
    for name, wanted in {
        "requirements.lock": project["dependencies"] + extras["examples"],
        "requirements-dev.lock": project["dependencies"] + extras["examples"] + extras["dev"],
    }.items():
        text = (ROOT / name).read_text()
        for requirement in wanted:
            pin = re.sub(r"\[.*?\]", "", requirement).lower()
            assert re.search(rf"^{re.escape(pin)}(==| \\|$)", text, re.MULTILINE), f"{requirement} is not in {name}"
