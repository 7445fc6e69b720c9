"""SET and SHOW: what clients ask and set, though little of it has an effect. Pure: no I/O."""

from __future__ import annotations

import re
import shlex

from sqld.engine.failures import READ_ONLY, QueryFailure

__all__ = ["DEFAULTS", "REPORTED", "SERVER_VERSION", "SessionSettings"]

#: Clients read the server's abilities out of its version; 15 is what our catalogue is modelled on.
SERVER_VERSION = "15.0 (Everlog)"

#: Of a session that has set nothing.
DEFAULTS = {
    "server_version": SERVER_VERSION,
    "server_version_num": "150000",
    "server_encoding": "UTF8",
    "client_encoding": "UTF8",
    "application_name": "",
    "datestyle": "ISO, MDY",
    "intervalstyle": "postgres",
    "timezone": "UTC",
    "integer_datetimes": "on",
    "standard_conforming_strings": "on",
    "is_superuser": "off",
    "session_authorization": "everlog",
    "role": "none",
    "in_hot_standby": "off",
    "default_transaction_read_only": "on",
    "transaction_read_only": "on",
    "default_transaction_isolation": "repeatable read",
    "transaction_isolation": "repeatable read",
    "default_transaction_deferrable": "off",
    "transaction_deferrable": "off",
    "search_path": '"$user", public',
    "max_identifier_length": "63",
    "max_index_keys": "32",
    "max_connections": "500",
    "extra_float_digits": "1",
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "client_min_messages": "notice",
    "bytea_output": "hex",
    "array_nulls": "on",
    "backslash_quote": "safe_encoding",
    "lc_collate": "C",
    "lc_ctype": "C",
    "lc_messages": "C",
    "lc_monetary": "C",
    "lc_numeric": "C",
    "lc_time": "C",
    "row_security": "off",
    "escape_string_warning": "on",
    "synchronize_seqscans": "on",
    "jit": "off",
    "ssl": "off",
    "wal_level": "replica",
}
_ALIASES = {
    "time zone": "timezone",
    "names": "client_encoding",
    "session authorization": "session_authorization",
    "transaction isolation level": "transaction_isolation",
}
#: Sent after startup and after each change (protocol, "Asynchronous Operations"), by the names that clients know.
REPORTED = {
    "server_version": "server_version",
    "server_encoding": "server_encoding",
    "client_encoding": "client_encoding",
    "application_name": "application_name",
    "datestyle": "DateStyle",
    "intervalstyle": "IntervalStyle",
    "timezone": "TimeZone",
    "integer_datetimes": "integer_datetimes",
    "standard_conforming_strings": "standard_conforming_strings",
    "is_superuser": "is_superuser",
    "session_authorization": "session_authorization",
    "in_hot_standby": "in_hot_standby",
    "default_transaction_read_only": "default_transaction_read_only",
}
#: Rows are sent in this form whatever a client says. Where it would misread them, it is told by an error (True), else
#: by a warning.
_FIXED: dict[str, tuple[bool, re.Pattern[str]]] = {
    name: (strict, re.compile(pattern, re.I))
    for name, strict, pattern in (
        ("client_encoding", True, "utf-?8|unicode"),
        ("timezone", False, r"utc|etc/utc|gmt|z|zulu|[+-]?0+(:00)*"),
        ("datestyle", False, "iso.*"),
        ("intervalstyle", False, "postgres"),
        ("bytea_output", False, "hex"),
        ("standard_conforming_strings", False, "on|true|1|yes"),
        ("default_transaction_read_only", False, "on|true|1|yes"),
        ("transaction_read_only", False, "on|true|1|yes"),
        ("session_authorization", False, ".*"),
        ("role", False, ".*"),
    )
}
#: What nobody can set.
_CONSTANT = frozenset(
    (
        *("server_version", "server_version_num", "server_encoding", "integer_datetimes", "is_superuser"),
        *("in_hot_standby", "max_identifier_length", "max_index_keys", "max_connections", "ssl", "wal_level"),
        *("lc_collate", "lc_ctype"),
    )
)
_TIMEOUTS = frozenset(("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"))
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(us|ms|s|min|h|d)?")
_UNIT_MS = {"us": 0.001, "ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}


class SessionSettings:
    """The settings of one session. What a transaction has set is gone when it is rolled back."""

    def __init__(self, startup: dict[str, str]) -> None:
        self._initial = self._values = dict(DEFAULTS)
        self._values["session_authorization"] = startup.get("user", "")
        wanted = {name.lower(): value for name, value in startup.items() if not name.startswith("_pq_.")}
        for name in ("user", "database", "replication"):
            wanted.pop(name, None)
        #: Of what the client asked for at its start and does not get.
        self.warnings: list[str] = []
        for name, value in (_options(wanted.pop("options", "")) | wanted).items():
            try:
                warning = self.set(name, value)
            except QueryFailure as failure:
                # A client that asks for its locale's encoding reads in ParameterStatus what it got.
                warning = failure.message
            if warning is not None:
                self.warnings.append(warning)
        self._initial = dict(self._values)
        self._before: dict[str, str] | None = None
        self._local: dict[str, str | None] = {}

    def show(self, name: str) -> str | None:
        """The value; None: no such setting."""
        return self._values.get(_known(name))

    def title(self, name: str) -> str:
        """What SHOW calls it."""
        return REPORTED.get(_known(name), _known(name))

    @property
    def timeout_s(self) -> float:
        """`statement_timeout`; 0: none."""
        return _milliseconds(self._values["statement_timeout"]) / 1000

    def set(self, name: str, value: str, *, local: bool = False) -> str | None:
        """A warning when the value stays as it was all the same. Names we do not know are kept: clients set many.

        Raises QueryFailure for what cannot be, and where a client that does not know it would misread rows.
        """
        name = _known(name)
        wanted = value.strip()
        _refuse_engine_s(name)
        if name in _CONSTANT:
            raise QueryFailure(f'parameter "{name}" cannot be changed', sqlstate="55P02", status=400)
        fixed = _FIXED.get(name)
        if fixed is not None and wanted.lower() != "default":
            strict, pattern = fixed
            if pattern.fullmatch(wanted):
                return None
            text = f"{name} cannot be {wanted!r}: it is always {self._values[name]}"
            if strict:
                raise QueryFailure(text, sqlstate="22023", status=400)
            return text
        if name in _TIMEOUTS and wanted.lower() != "default":
            _milliseconds(wanted, name)
        if local:
            if self._before is None:
                return "SET LOCAL can only be used in transaction blocks"
            self._local.setdefault(name, self._values.get(name))
        self._values[name] = self._initial.get(name, "") if wanted.lower() == "default" else wanted
        return None

    def reset(self, name: str) -> None:
        """Back to the value at startup. Raises QueryFailure."""
        name = _known(name)
        _refuse_engine_s(name)
        if name == "all":
            self._values = dict(self._initial)
        elif name in self._initial:
            self._values[name] = self._initial[name]
        else:
            self._values.pop(name, None)

    def begin(self) -> None:
        """A transaction."""
        self._before, self._local = dict(self._values), {}

    def commit(self) -> None:
        """Its end: what was set for it alone is as before."""
        for name, value in self._local.items():
            if value is None:
                self._values.pop(name, None)
            else:
                self._values[name] = value
        self._before, self._local = None, {}

    def rollback(self) -> None:
        """Its end: all that was set in it is as before."""
        if self._before is not None:
            self._values = self._before
        self._before, self._local = None, {}

    def changed(self) -> dict[str, str]:
        """Those that are not as by default."""
        return {name: value for name, value in self._values.items() if DEFAULTS.get(name) != value}

    def reported(self) -> dict[str, str]:
        """Parameter name -> value, as ParameterStatus tells them."""
        return {title: self._values[name] for name, title in REPORTED.items()}


def _known(name: str) -> str:
    name = name.lower()
    return _ALIASES.get(name, name)


def _refuse_engine_s(name: str) -> None:
    """DataFusion's own: a session could read and write files by them, or take all memory."""
    if name.startswith("datafusion."):
        text = f"{name} is refused: what bounds a query is set for the node (query_memory_bytes, query_timeout_s)"
        raise QueryFailure(text, sqlstate=READ_ONLY, status=400)


def _milliseconds(text: str, name: str = "statement_timeout") -> float:
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise QueryFailure(f'invalid value for parameter "{name}": "{text}"', sqlstate="22023", status=400)
    return float(match[1]) * _UNIT_MS[match[2] or "ms"]


def _options(text: str) -> dict[str, str]:
    """`-c name=value --name=value`, as libpq passes PGOPTIONS on."""
    try:
        words = shlex.split(text)
    except ValueError:
        return {}
    found: dict[str, str] = {}
    for i, word in enumerate(words):
        if word.startswith("--"):
            setting = word[2:]
        elif word == "-c":
            setting = words[i + 1] if i + 1 < len(words) else ""
        else:
            setting = word[2:] if word.startswith("-c") else ""
        name, equals, value = setting.partition("=")
        if equals:
            found[name.lower().replace("-", "_")] = value
    return found
