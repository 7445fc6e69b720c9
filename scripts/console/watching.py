"""The same again and again, on a screen that is drawn anew. Owns: the terminal's screen until Ctrl-C."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from scripts.console.grid import cut
from scripts.console.screen import Screen
from shared.errors import EverlogError

__all__ = ["watch"]

_HOME = "\x1b[H"
_CLEAR_LINE = "\x1b[K"
_CLEAR_BELOW = "\x1b[J"


def watch(
    screen: Screen, title: str, every_s: float, draw: Callable[[], AbstractContextManager[Iterator[str]]]
) -> None:
    """Until Ctrl-C. A failure is shown in place of the lines, for it may pass. Elsewhere than on a terminal what is
    drawn follows what was drawn."""
    while True:
        began = time.monotonic()
        lines = _drawn(screen, draw)
        head = f"every {every_s:g} s, {time.strftime('%H:%M:%S')}: {' '.join(title.split())}"
        if screen.is_terminal:
            shown = [screen.paint("dim", cut(head, screen.width or len(head))), "", *lines]
            text = "".join(f"{line}{_CLEAR_LINE}\n" for line in shown)
            sys.stdout.write(f"{_HOME}{text}{_CLEAR_BELOW}")
        else:
            sys.stdout.write("".join(f"{line}\n" for line in (head, *lines, "")))
        sys.stdout.flush()
        time.sleep(max(0.0, every_s - (time.monotonic() - began)))


def _drawn(screen: Screen, draw: Callable[[], AbstractContextManager[Iterator[str]]]) -> list[str]:
    """As many as there is room for; the query of the others is ended."""
    room = screen.height - 4 if screen.is_terminal else None
    try:
        with draw() as lines:
            shown = list(itertools.islice(lines, room))
            more = room is not None and next(lines, None) is not None
    except EverlogError as error:
        return [screen.paint("bad", str(error))]
    return [*shown, screen.paint("dim", "… and more")] if more else shown
