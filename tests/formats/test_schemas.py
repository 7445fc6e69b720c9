"""No tag, field, enum or kind of key is added to a stored format without a version that older builds refuse."""

from __future__ import annotations

import itertools
import re

import pytest

from tests.formats import schemas
from tests.formats.schemas import FORMATS, release_of, schema_of, versions_of
from tests.shared.golden import NEWEST, RELEASES


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_is_what_the_file_of_its_version_says(name: str) -> None:
    version, describe = FORMATS[name].version(), FORMATS[name].describe()
    assert version in versions_of(name), f"version {version} of {name} is new: python -m tests.formats.schemas"
    release = release_of(name, version)
    remedy = (
        "is not released yet: python -m tests.formats.schemas"
        if release == NEWEST
        else f"came with release {release}, whose builds do not know what was added: raise it, and then "
        "python -m tests.formats.schemas"
    )
    assert describe == schema_of(name, version), f"the {name} format has changed, and its version {version} {remedy}"


@pytest.mark.parametrize("name", FORMATS)
def test_each_version_has_a_file_and_came_with_a_release(name: str) -> None:
    versions = versions_of(name)
    assert versions == list(range(1, FORMATS[name].version() + 1))
    releases = [RELEASES.index(release_of(name, version)) for version in versions]
    assert releases == sorted(set(releases)), "one version a release: there is nobody who could have an earlier one"


def _members(lines: list[str]) -> set[str]:
    """Every struct with its tag, every field with its place, every enum's number, every constant."""
    members = set()
    for line in lines:
        head, colon, rest = line.partition(": ")
        members.add(head)
        if colon:
            kind = head.split()[0]
            names = [part.split(" ")[0] if kind == "struct" else part for part in re.split(r", (?![^\[(]*[\])])", rest)]
            places = enumerate(names) if kind == "struct" and "by name" not in head else ((0, name) for name in names)
            members |= {f"{head.split()[1]} {place} {name}" for place, name in places}
    return members


@pytest.mark.parametrize("name", ["batch", "store", "meta", "log"])
def test_a_newer_version_has_all_of_the_older_one(name: str) -> None:
    """Only then is what the older one wrote read by today's decoders."""
    versions = versions_of(name)
    for older, newer in itertools.pairwise(versions):
        assert _members(schema_of(name, older)) - _members(schema_of(name, newer)) == set()


def test_a_version_of_an_older_release_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it would be after the next release: a field more is refused, and a raised version is not."""
    monkeypatch.setattr(schemas, "NEWEST", "9.9")
    monkeypatch.setattr(schemas, "RELEASES", [*RELEASES, "9.9"])
    version, describe = FORMATS["store"].version(), FORMATS["store"].describe()
    monkeypatch.setitem(FORMATS, "store", schemas.Format(lambda: version, lambda: [*describe, "constant NEW = 40"]))
    before = schema_of("store", version)
    assert [text for text in schemas.write() if "store" in text] == [
        f"store-{version}.txt is of release {release_of('store', version)} and closed: "
        "raise the version of the store format first"
    ]
    assert schema_of("store", version) == before
