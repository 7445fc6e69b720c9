"""What one session has: settings, a transaction, prepared statements, portals."""

from __future__ import annotations

from pygwire.constants import TransactionStatus

from sqld.engine.failures import QueryFailure
from sqld.pgwire.portals import Portal, Statement
from sqld.pgwire.settings import SessionSettings
from sqld.pgwire.statements import Command

__all__ = ["SessionState"]

_IDLE = TransactionStatus.IDLE
_OPEN = TransactionStatus.IN_TRANSACTION
_FAILED = TransactionStatus.ERROR_TRANSACTION
#: A client that prepares more than this forgets to close them.
_STATEMENTS_LIMIT = 10_000
_PORTALS_LIMIT = 1_000


class SessionState:
    """All methods raise QueryFailure for names that are not there, or there are too many of."""

    def __init__(self, settings: SessionSettings) -> None:
        self.settings = settings
        self.transaction = _IDLE
        self.statements: dict[str, Statement] = {}
        self.portals: dict[str, Portal] = {}

    # -- transactions

    @property
    def idle(self) -> bool:
        """No transaction."""
        return self.transaction == _IDLE

    def check(self, command: Command | None) -> None:
        """After an error nothing but the end of the transaction is taken."""
        if self.transaction == _FAILED and (
            command is None or command.kind not in ("commit", "rollback", "rollback to")
        ):
            text = "current transaction is aborted, commands ignored until end of transaction block"
            raise QueryFailure(text, sqlstate="25P02", status=400)

    def begin(self) -> bool:
        """False: there is one already."""
        if self.transaction != _IDLE:
            return False
        self.transaction = _OPEN
        self.settings.begin()
        return True

    def end(self, *, commit: bool) -> tuple[bool, bool]:
        """(there was one, it was committed): committing what failed rolls it back."""
        was_open, committed = self.transaction != _IDLE, commit and self.transaction != _FAILED
        self.transaction = _IDLE
        if committed:
            self.settings.commit()
        else:
            self.settings.rollback()
        self.close_portals(held=not committed and was_open)
        return was_open, committed

    def to_savepoint(self) -> None:
        """Nothing was written since, but the error state ends."""
        if self.transaction == _IDLE:
            text = "ROLLBACK TO SAVEPOINT can only be used in transaction blocks"
            raise QueryFailure(text, sqlstate="25P01", status=400)
        self.transaction = _OPEN

    def fail(self) -> None:
        """Something went wrong."""
        if self.transaction == _OPEN:
            self.transaction = _FAILED
            self.close_portals()

    # -- statements and portals

    def statement(self, name: str) -> Statement:
        """By its name."""
        if name not in self.statements:
            raise QueryFailure(f'prepared statement "{name}" does not exist', sqlstate="26000", status=400)
        return self.statements[name]

    def add_statement(self, name: str, statement: Statement) -> None:
        """The one without a name takes the place of the last one."""
        if name and name in self.statements:
            raise QueryFailure(f'prepared statement "{name}" already exists', sqlstate="42P05", status=400)
        if len(self.statements) >= _STATEMENTS_LIMIT:
            text = f"too many prepared statements: at most {_STATEMENTS_LIMIT}, close some"
            raise QueryFailure(text, sqlstate="54000", status=400)
        self.statements[name] = statement

    def deallocate(self, name: str) -> None:
        """Forget one, or all with an empty name."""
        if not name:
            self.statements.clear()
        else:
            self.statement(name)
            del self.statements[name]

    def portal(self, name: str, *, cursor: bool = False) -> Portal:
        """By its name."""
        if name not in self.portals:
            raise QueryFailure(
                f'{"cursor" if cursor else "portal"} "{name}" does not exist', sqlstate="34000", status=400
            )
        return self.portals[name]

    def add_portal(self, name: str, portal: Portal) -> None:
        """The one without a name takes the place of the last one."""
        if name and name in self.portals:
            raise QueryFailure(f'cursor "{name}" already exists', sqlstate="42P03", status=400)
        if len(self.portals) >= _PORTALS_LIMIT:
            text = f"too many cursors and portals: at most {_PORTALS_LIMIT}, close some"
            raise QueryFailure(text, sqlstate="54000", status=400)
        self.close_portal(name)
        self.portals[name] = portal

    def close_portal(self, name: str) -> None:
        """One that is not there is no error."""
        portal = self.portals.pop(name, None)
        if portal is not None:
            portal.close()

    def close_portals(self, *, held: bool = False) -> None:
        """All of a transaction that ends; `held`: those as well that would outlive it."""
        for name in [name for name, portal in self.portals.items() if held or not portal.hold]:
            self.close_portal(name)
