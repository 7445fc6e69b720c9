"""`everlog state SERVICE KEY`: the state of an object or workflow; set, clear and edit it."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from scripts.cli.deeds import add_deeds, examples
from scripts.console import address, completing
from scripts.console.admin import Admin
from scripts.console.calls import check_json
from scripts.console.failures import RefusedError, UsageError
from scripts.console.grid import Column
from scripts.console.object_state import Place, from_shown, read_state, shown, write_state
from scripts.console.screen import Screen, confirmed, print_json
from scripts.node.programs import Program

__all__ = ["add_arguments", "run"]

_DEEDS = {
    "get": "show it (what is done when nothing is said)",
    "set": "set values, and leave the others as they are",
    "clear": "forget values, or all of them",
    "edit": "change it as a whole in $EDITOR",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `everlog state` takes."""
    examples(
        parser,
        "everlog state Counter apples",
        "everlog state set Counter apples value=7",
        "everlog state edit Counter apples",
    )
    deeds = add_deeds(parser, default="get")
    completing.first(deeds, completing.keyed_services)
    for name, text in _DEEDS.items():
        deed = deeds.add_parser(name, help=text)
        service = deed.add_argument("service", metavar="SERVICE", help="a virtual object or workflow")
        completing.complete(service, completing.keyed_services)
        key = deed.add_argument("key", metavar="KEY", help="of the object")
        completing.complete(key, completing.nothing)
        if name == "set":
            deed.add_argument("values", nargs="+", metavar="NAME=JSON", help="NAME=@FILE: from a file")
            deed.add_argument("--raw", action="store_true", help="store the values as they are, whatever they are")
        elif name in ("get", "clear"):
            deed.add_argument("names", nargs="*", metavar="NAME", help="only these")
        if name == "clear":
            deed.add_argument("--yes", "-y", action="store_true", help="do not ask")
        deed.add_argument("--scope", metavar="S", help="the object of this scope")
        deed.add_argument("--json", action="store_true", help="print one JSON object: name -> value")
        address.add_node(deed)


def run(arguments: argparse.Namespace, programs: Sequence[Program]) -> int:
    """1: there is no such value, or the state was changed by somebody else meanwhile."""
    admin = Admin(address.admin_url(arguments))
    place = Place(arguments.service, arguments.key, arguments.scope)
    before = read_state(admin, place)
    if arguments.deed == "get":
        return _get(arguments, admin, place, before)
    if arguments.deed == "set":
        after = before | dict(_value(text, raw=arguments.raw) for text in arguments.values)
    elif arguments.deed == "clear":
        after = _cleared(arguments, place, before)
        if before and before != after and not confirmed(_question(place, before, after), yes=arguments.yes):
            print("Nothing was done.")
            return 1
    else:
        after = _edited(place, before)
    if after == before:
        if arguments.json:
            _print(before)
        else:
            print(f"Nothing is changed: {place} has {_count(before)}.")
        return 0
    write_state(admin, place, before=before, after=after)
    if arguments.json:
        _print(after)
    else:
        print(f"{place} has {_count(after)} now.")
    return 0


def _count(values: dict[str, bytes]) -> str:
    return f"{len(values)} {'value' if len(values) == 1 else 'values'}"


def _print(values: dict[str, bytes]) -> None:
    print_json({name: shown(value) for name, value in values.items()})


def _get(arguments: argparse.Namespace, admin: Admin, place: Place, values: dict[str, bytes]) -> int:
    missing = [name for name in arguments.names if name not in values]
    if missing:
        raise RefusedError(404, f"{place} has no {missing[0]!r}; it has {', '.join(values) or 'no state'}")
    if not values:
        _check_service(admin, place)
    chosen = {name: value for name, value in values.items() if not arguments.names or name in arguments.names}
    if arguments.json:
        _print(chosen)
    elif not chosen:
        print(f"{place} has no state.")
    else:
        rows = [(name, json.dumps(shown(value), ensure_ascii=False)) for name, value in chosen.items()]
        Screen().table((Column("NAME"), Column("VALUE")), rows)
    return 0


def _check_service(admin: Admin, place: Place) -> None:
    """That there is nothing may be since the service's name is wrong. Raises RefusedError."""
    names = [service["name"] for service in admin.get("/services")["services"] if service["ty"] != "Service"]
    if place.service not in names:
        raise RefusedError(
            404, f"there is no object or workflow {place.service!r}; there are {', '.join(names) or 'none'}"
        )


def _value(text: str, *, raw: bool) -> tuple[str, bytes]:
    name, equals, given = text.partition("=")
    if not name or not equals:
        raise UsageError(f"{text!r} sets nothing: want NAME=JSON, such as count=3 or name='\"Ada\"'")
    if given.startswith("@"):
        try:
            value = Path(given[1:]).read_bytes()
        except OSError as error:
            raise UsageError(f"cannot read {given[1:]}: {error.strerror}") from error
    else:
        value = given.encode()
    if not raw:
        try:
            check_json(value)
        except UsageError as error:
            raise UsageError(str(error).replace("the body", name)) from error
    return name, value


def _cleared(arguments: argparse.Namespace, place: Place, before: dict[str, bytes]) -> dict[str, bytes]:
    missing = [name for name in arguments.names if name not in before]
    if missing:
        raise RefusedError(404, f"{place} has no {missing[0]!r}; it has {', '.join(before) or 'no state'}")
    return {name: value for name, value in before.items() if arguments.names and name not in arguments.names}


def _question(place: Place, before: dict[str, bytes], after: dict[str, bytes]) -> str:
    gone = [name for name in before if name not in after]
    return f"Forget {', '.join(gone[:5])}{' and others' if len(gone) > 5 else ''} of {place}?"


def _edited(place: Place, before: dict[str, bytes]) -> dict[str, bytes]:
    """What the user makes of it in their editor. What they wrote stays in a file if it is of no use."""
    text = json.dumps({name: shown(value) for name, value in before.items()}, indent=2, ensure_ascii=False) + "\n"
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    descriptor, file = tempfile.mkstemp(prefix=f"everlog-{place.service}-", suffix=".json")
    path = Path(file)
    try:
        with open(descriptor, "w") as opened:
            opened.write(text)
        try:
            status = subprocess.run([*shlex.split(editor), file], check=False).returncode
        except OSError as error:
            raise UsageError(f"cannot start {editor!r} ({error.strerror}): set EDITOR to your editor") from error
        if status:
            raise UsageError(f"{editor} ended with status {status}: nothing is changed")
        written = path.read_text()
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    try:
        values = json.loads(written)
        if not isinstance(values, dict):
            raise ValueError("want an object: name -> value")
        after = from_shown(values, before)
    except (ValueError, UsageError) as error:
        raise UsageError(f"what you wrote is no state ({error}); it is kept in {file}") from error
    path.unlink()
    return after
