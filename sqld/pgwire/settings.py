"""SET and SHOW: what clients ask and set, though little of it has an effect. Pure: no I/O."""

from __future__ import annotations

__all__ = ["REPORTED", "SessionSettings"]

#: Clients read the server's abilities out of its version; 15 is what our catalogue is modelled on.
SERVER_VERSION = "15.0 (Everlog)"

_DEFAULTS = {
    "server_version": SERVER_VERSION,
    "server_version_num": "150000",
    "server_encoding": "UTF8",
    "client_encoding": "UTF8",
    "application_name": "",
    "datestyle": "ISO, MDY",
    "intervalstyle": "postgres",
    "timezone": "UTC",
    "time zone": "UTC",
    "integer_datetimes": "on",
    "standard_conforming_strings": "on",
    "is_superuser": "off",
    "session_authorization": "everlog",
    "session authorization": "everlog",
    "in_hot_standby": "off",
    "default_transaction_read_only": "on",
    "transaction_read_only": "on",
    "default_transaction_isolation": "repeatable read",
    "transaction_isolation": "repeatable read",
    "transaction isolation level": "repeatable read",
    "search_path": '"$user", public',
    "max_identifier_length": "63",
    "max_index_keys": "32",
    "extra_float_digits": "1",
    "statement_timeout": "0",
    "lock_timeout": "0",
    "client_min_messages": "notice",
    "bytea_output": "hex",
    "lc_collate": "C",
    "lc_ctype": "C",
    "row_security": "off",
    "escape_string_warning": "on",
    "ssl": "off",
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
#: What cannot change, since rows are sent in this form whatever a client says.
_FIXED = {"client_encoding": ("UTF8", "UTF-8", "UNICODE"), "timezone": ("UTC", "ETC/UTC", "GMT", "DEFAULT")}


class SessionSettings:
    """The settings of one session."""

    def __init__(self, startup: dict[str, str]) -> None:
        self._initial = dict(_DEFAULTS)
        self._initial["session_authorization"] = self._initial["session authorization"] = startup.get("user", "")
        self._initial["application_name"] = startup.get("application_name", "")
        self._values = dict(self._initial)

    def show(self, name: str) -> str | None:
        """The value; None: no such setting."""
        return self._values.get(name.lower())

    def set(self, name: str, value: str) -> bool:
        """True when the value is as wanted now. Names we do not know are kept: clients set many."""
        name = name.lower()
        wanted = value.strip("'\"")
        if name in _FIXED:
            return wanted.upper() in _FIXED[name]
        self._values[name] = self._initial.get(name, "") if value.upper() == "DEFAULT" else wanted
        return True

    def reset(self, name: str) -> None:
        """Back to the value at startup."""
        if name == "all":
            self._values = dict(self._initial)
        elif name in self._initial:
            self._values[name] = self._initial[name]

    def reported(self) -> dict[str, str]:
        """Parameter name -> value, as ParameterStatus tells them."""
        return {title: self._values[name] for name, title in REPORTED.items()}
