"""Statements that change or show only the session: transactions, settings, what is prepared."""

from __future__ import annotations

from collections.abc import Callable

from pygwire import messages as m
from pygwire.messages import PGMessage, RowDescription

from sqld.engine.failures import QueryFailure
from sqld.engine.refusals import setting_refusal
from sqld.pgwire.errors import notice_fields
from sqld.pgwire.portals import row_description
from sqld.pgwire.state import SessionState
from sqld.pgwire.statements import Command
from sqld.pgwire.types import Oid
from sqld.workers.protocol import Column

__all__ = ["Commands"]

_SILENT_OF_WARNINGS = ("error", "log", "fatal", "panic")

#: DataFusion's own: a session would read and write files by them, or take all memory.
_ENGINE_SETTINGS = "datafusion."


class Commands:
    """Carries them out. Not cursors: those need the engine."""

    def __init__(self, state: SessionState, send: Callable[[PGMessage], None]) -> None:
        self._state = state
        self._send = send

    def carry_out(self, command: Command) -> None:
        """With its CommandComplete. Raises QueryFailure."""
        tag = command.tag
        if command.kind == "begin":
            if not self._state.begin():
                self.warn("25001", "there is already a transaction in progress")
        elif command.kind in ("commit", "rollback"):
            was_open, committed = self._state.end(commit=command.kind == "commit")
            if not was_open:
                self.warn("25P01", "there is no transaction in progress")
            elif not committed:
                tag = "ROLLBACK"
            self._report()
        elif command.kind == "rollback to":
            self._state.to_savepoint()
        elif command.kind in ("set", "set local", "reset") and command.name.startswith(_ENGINE_SETTINGS):
            raise setting_refusal(command.tag)
        elif command.kind in ("set", "set local"):
            self._set(command)
        elif command.kind == "reset":
            self._state.settings.reset(command.name)
            self._report()
        elif command.kind == "show":
            self._show(command)
        elif command.kind == "deallocate":
            self._state.deallocate(command.name)
        elif command.kind == "discard":
            self._discard(command)
        self._send(m.CommandComplete(tag=tag))

    def described(self, command: Command, formats: list[int]) -> RowDescription | None:
        """What a command gives rows of; None: none."""
        if command.kind != "show":
            return None
        return row_description([Column(self._state.settings.title(command.name), Oid.TEXT, -1)], formats)

    def warn(self, sqlstate: str, message: str) -> None:
        """Unless the client does not want to hear of it."""
        if (self._state.settings.show("client_min_messages") or "").lower() not in _SILENT_OF_WARNINGS:
            self._send(m.NoticeResponse(fields=notice_fields("WARNING", sqlstate, message)))

    def tell_settings(self) -> None:
        """All that are reported, after startup."""
        self._told: dict[str, str] = {}
        self._report()

    def _report(self) -> None:
        for name, value in self._state.settings.reported().items():
            if self._told.get(name) != value:
                self._told[name] = value
                self._send(m.ParameterStatus(name=name, value=value))

    def _set(self, command: Command) -> None:
        warning = self._state.settings.set(command.name, command.value, local=command.kind == "set local")
        if warning is not None:
            self.warn("01000", warning)
        self._report()

    def _show(self, command: Command) -> None:
        value = self._state.settings.show(command.name)
        if value is None:
            text = f'unrecognized configuration parameter "{command.name}"'
            raise QueryFailure(text, sqlstate="42704", status=400)
        self._send(m.DataRow(columns=[value.encode()]))

    def _discard(self, command: Command) -> None:
        if command.value != "all":
            return
        if not self._state.idle:
            raise QueryFailure("DISCARD ALL cannot run inside a transaction block", sqlstate="25001", status=400)
        self._state.close_portals(held=True)
        self._state.statements.clear()
        self._state.settings.reset("all")
        self._report()
