"""Verbs with deeds of their own, one of which is done when none is named: `everlog services Greeter` lists that one.

Loads nothing but argparse, for every start of `everlog` needs it.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from typing import Any

__all__ = ["COMPLETING", "VerbParser", "add_deeds", "examples", "line_so_far"]

#: Set by the shell when it asks what may follow.
COMPLETING = "_ARGCOMPLETE"


class VerbParser(argparse.ArgumentParser):
    """Puts in the default deed where none is named."""

    #: May still grow.
    deeds: Mapping[str, argparse.ArgumentParser] | None = None
    default_deed = ""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        words = None if args is None else list(args)
        if self.deeds is not None and words is not None and not self._names_deed(words):
            words = [self.default_deed, *words]
        return super().parse_known_args(words, namespace)

    def _names_deed(self, words: list[str]) -> bool:
        if words:
            return words[0] in ("-h", "--help") or words[0] in (self.deeds or {})
        # The shell asks what may come first: a deed, unless an option is begun, which is the default deed's.
        return COMPLETING in os.environ and not line_so_far().rpartition(" ")[2].startswith("-")


def line_so_far() -> str:
    """What is typed, up to the cursor, when the shell asks."""
    line, point = os.environ.get("COMP_LINE", ""), os.environ.get("COMP_POINT", "")
    return line[: int(point)] if point.isdecimal() else line


def examples(parser: argparse.ArgumentParser, *lines: str) -> None:
    """Below the help: how the verb is used."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "\n".join(["examples:", *(f"  {line}" for line in lines)])


def add_deeds(parser: argparse.ArgumentParser, *, default: str) -> Any:
    """Sub-verbs, into `arguments.deed`; `add_parser` makes one. `default` is done when none is named."""
    assert isinstance(parser, VerbParser)
    deeds = parser.add_subparsers(dest="deed", metavar="DEED", required=True, prog=parser.prog)
    parser.usage = f"{parser.prog} [DEED] ... ({default} if none is named; its options: {parser.prog} {default} -h)"
    parser.deeds, parser.default_deed = deeds.choices, default
    return deeds
