"""What goes wrong when a node is asked. Pure: no I/O."""

from __future__ import annotations

from shared.errors import EverlogError

__all__ = ["RefusedError", "UnreachableError", "UsageError"]


class UsageError(EverlogError):
    """The words of the command make no sense. Nothing was asked of any node."""

    exit_status = 2


class UnreachableError(EverlogError):
    """Nobody answers at the address of the node, or it stopped in the midst of its answer."""

    exit_status = 3


class RefusedError(EverlogError):
    """The node answered that it will not. The text is the node's."""

    exit_status = 1

    def __init__(self, status: int, message: str) -> None:
        """`status`: of HTTP."""
        super().__init__(message)
        self.status = status
