"""SQL that comes in pieces: where a statement ends. Pure: no I/O."""

from __future__ import annotations

import re

__all__ = ["split"]

#: What may hold a `;` that ends nothing: text, names in quotes, comments.
_PIECE = re.compile(r"""'(?:[^']|'')*('|$)|"(?:[^"]|"")*("|$)|--[^\n]*|/\*.*?(\*/|$)|;|[^;'"/-]+|.""", re.DOTALL)


def split(text: str) -> tuple[list[str], str]:
    """(whole statements, each without its `;`; the rest, which has none yet)."""
    whole: list[str] = []
    begun: list[str] = []
    for match in _PIECE.finditer(text):
        if match[0] != ";":
            begun.append(match[0])
            continue
        statement = "".join(begun).strip()
        if statement:
            whole.append(statement)
        begun = []
    # Blanks at its end may be within a text that goes on in the next line.
    return whole, "".join(begun).lstrip()
