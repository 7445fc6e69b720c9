"""Chapters about the state of objects, and about how the command line finds its server. Pure: no I/O."""

from __future__ import annotations

from tests.compat.official_cli.steps import Http, State, Step, do, look

__all__ = ["CONNECTIONS", "STATE"]


def _patch(*operations: str) -> str:
    return f"--patch '[{', '.join(operations)}]'"


_FOUR = '{"op": "replace", "path": "/count", "value": 4}'
_GONE = '{"op": "remove", "path": "/list"}'
_NOWHERE = '{"op": "replace", "path": "/nowhere", "value": 1}'
_EDITOR = "{editor}"

STATE: tuple[Step, ...] = (
    Http("/Vault/s/put", "filled", {"name": "Ada", "count": 3, "list": [1, {"two": None}]}),
    Http("/Vault/r/put_bytes", "raw"),
    look("state get Vault s", shuffled=True),
    look("state get Vault s --plain"),
    look("state get Vault s --binary --plain"),
    look("state get Vault r", seldom=True),
    look("state get Vault r --binary"),
    look("state get Vault nobody"),
    look("state get Tour grand", seldom=True),
    look("state get Greeter s"),
    look("state get Nope s"),
    do(f"state patch Vault s {_patch(_FOUR, _GONE)}", shuffled=True),
    do(f"state patch Vault s {_patch(_FOUR, _GONE)} --yes", shuffled=True),
    State("Vault", "s", "count", "4"),
    look("state get Vault s --plain"),
    do(f"state patch Vault s {_patch(_NOWHERE)} --yes", seldom=True),
    do("state patch Vault s --patch nonsense --yes", seldom=True),
    do(f"state patch Greeter s {_patch(_FOUR)} --yes"),
    do(f"state patch Nope s {_patch(_FOUR)} --yes", seldom=True),
    do(
        "state edit Vault s --yes",
        environment={"RESTATE_EDITOR": _EDITOR, "EDIT": '{"name": "Bob", "more": {"x": [true]}}'},
        shuffled=True,
    ),
    State("Vault", "s", "name", '"Bob"'),
    do("state edit Vault s --force --yes", environment={"RESTATE_EDITOR": _EDITOR, "EDIT": '{"name": "Cy"}'}),
    State("Vault", "s", "name", '"Cy"'),
    do("state edit Vault s --yes", environment={"RESTATE_EDITOR": _EDITOR, "EDIT": "nonsense"}, seldom=True),
    do(
        "state edit Vault r --binary --yes",
        environment={"RESTATE_EDITOR": _EDITOR, "EDIT": '{"raw": "AP_9"}'},
        seldom=True,
    ),
    do("state clear Vault/s"),
    do("state clear Vault/s --yes"),
    State("Vault", "s", "name", None),
    do("state clear Vault/s --yes"),
    do("state clear Nope --yes", seldom=True),
    do("state clear Vault/r --force --yes"),
    State("Vault", "r", "raw", None),
    look("sql \"select service_key, key from state where service_key in ('r', 's')\""),
)

#: Without the variable that tells where the server is.
_UNTOLD = {"RESTATE_ADMIN_URL": ""}

CONNECTIONS: tuple[Step, ...] = (
    look("services list --connect-timeout 2000", environment={"RESTATE_ADMIN_URL": "{nobody}"}),
    look("sql 'select 1' --connect-timeout 2000", environment={"RESTATE_ADMIN_URL": "{nobody}"}, seldom=True),
    look("whoami", environment={"RESTATE_ADMIN_URL": "{nobody}"}),
    look("services list --public-only", environment={"RESTATE_ADMIN_URL": "{admin}/"}, shuffled=True, seldom=True),
    look("--environment mine services list --public-only", environment=_UNTOLD, shuffled=True),
    look("whoami --environment mine", environment=_UNTOLD, seldom=True),
    look("services list", environment=_UNTOLD | {"RESTATE_ENVIRONMENT": "mine"}, shuffled=True, seldom=True),
    look("services list --extra", environment={"RESTATE_AUTH_TOKEN": "secret"}, shuffled=True, seldom=True),
    look("config list-environments", environment=_UNTOLD, seldom=True),
)
