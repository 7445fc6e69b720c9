"""Who may connect: the file that `sql_users_file` names. Owns: reading it, once.

A line is `name:password`, where the password is PostgreSQL's SCRAM verifier (as `pg_authid` has it and `psql`'s
`\\password` makes it) or the password itself. Blank lines, and those that begin with `#`, are skipped.
"""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from shared.errors import ConfigError
from sqld.pgwire.scram import Verifier, made_up, parse, verifier

__all__ = ["Users", "read_users"]

_SALT_BYTES = 16


class Users:
    """The users by name."""

    def __init__(self, verifiers: dict[str, Verifier]) -> None:
        self._verifiers = verifiers
        self._secret = secrets.token_bytes(32)

    def verifier(self, name: str) -> Verifier:
        """Of a user who does not exist as well, for nobody shall learn who does: no password fits that one."""
        return self._verifiers.get(name) or made_up(name, self._secret)


def read_users(file: str) -> Users | None:
    """None without a file: everybody who reaches the port may read. Raises ConfigError that names file and line."""
    if not file:
        return None
    try:
        with Path(file).open("rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            lines = opened.read().decode().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"sql_users_file is {file}: cannot read it as text: {error}") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(f"sql_users_file is {file}: others may read or change it; chmod 600 it")
    verifiers: dict[str, Verifier] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, password = line.partition(":")
        if not colon or not name or not password:
            raise ConfigError(f"sql_users_file {file}, line {number}: want name:password or name:SCRAM-SHA-256$…")
        if password.startswith("SCRAM-SHA-256$") and parse(password) is None:
            raise ConfigError(f"sql_users_file {file}, line {number}: the verifier of user {name!r} is damaged")
        if name in verifiers:
            raise ConfigError(f"sql_users_file {file}, line {number}: user {name!r} stands there twice")
        verifiers[name] = parse(password) or verifier(password, salt=secrets.token_bytes(_SALT_BYTES))
    if not verifiers:
        raise ConfigError(f"sql_users_file is {file}: it names no user, so nobody could connect")
    return Users(verifiers)
