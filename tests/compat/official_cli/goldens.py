"""What the oracle's command line printed, kept as text: `goldens/<chapter>.txt`. Owns: those files.

`python -m tests.compat.official_cli.goldens` plays all chapters on an oracle of its own and writes them anew.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.compat.official_cli.chapters import CHAPTERS
from tests.compat.official_cli.stage import play_on_oracle

__all__ = ["golden", "text_of"]

_FOLDER = Path(__file__).with_name("goldens")
_MARK = "$ restate "


def golden(chapter: str) -> dict[str, str]:
    """-> by command: what it printed."""
    blocks = ("\n" + (_FOLDER / f"{chapter}.txt").read_text()).split(f"\n{_MARK}")[1:]
    return {words: told.rstrip("\n") for words, _, told in (block.partition("\n") for block in blocks)}


def text_of(told: Mapping[str, str]) -> str:
    """What `golden` reads."""
    return "\n".join(f"{_MARK}{words}\n{each}\n" for words, each in told.items())


def main() -> None:
    """Write them anew."""
    with tempfile.TemporaryDirectory() as folder:
        for chapter, told in play_on_oracle(Path(folder), CHAPTERS).items():
            (_FOLDER / f"{chapter}.txt").write_text(text_of(told))
            print(f"{chapter}: {len(told)} commands")


if __name__ == "__main__":
    main()
