"""`everlog story INVOCATION`: all that ever happened to it, record by record."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import textwrap
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from scripts.cli import inspecting, options
from scripts.cli.people import Paint, Progress, time_text
from scripts.debug.opening import open_source
from scripts.debug.source import Source
from scripts.debug.story import Chapter, Story, partition_with, tell_story
from scripts.node.programs import Program
from shared.api.log import partition_group

__all__ = ["add_arguments", "run"]

_INDENT = " " * 35
#: Fields of a row that the story itself tells better, and those that say nothing when they are so.
_QUIET: tuple[object, ...] = (None, "", "0x", 0, -1, [], False)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `everlog story` takes."""
    parser.add_argument("invocation", metavar="INVOCATION", type=inspecting.invocation_id, help="its id, inv_1…")
    inspecting.add_source(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace, programs: Sequence[Program]) -> int:
    """1: nothing is known of it."""
    with closing(open_source(options.load(arguments).data_path)) as source:
        partition_id = partition_with(source, arguments.invocation)
        story = _told(source, partition_id, arguments.invocation)
        trimmed = _trimmed(source, partition_id)
    known = bool(story.chapters or story.now or story.dropped or story.at_first)
    if arguments.json:
        print(json.dumps({**msgspec.to_builtins(story), "trimmed_up_to": trimmed}, ensure_ascii=False))
    elif known:
        _tell(story, trimmed, Paint())
    if not known:
        why = f"records up to LSN {trimmed} are trimmed" if trimmed else "it was never asked for here"
        print(
            f"everlog story: neither log nor store of partition {partition_id} knows {story.invocation}: {why}, or its "
            "retention is over; is it of another node? (--data-dir)",
            file=sys.stderr,
        )
    return 0 if known else 1


def _told(source: Source, partition_id: int, invocation_id: bytes) -> Story:
    log = source.log(partition_group(partition_id))
    progress = Progress(f"reading the log of partition {partition_id}", end=0 if log is None else log.last_lsn)
    with tempfile.TemporaryDirectory(prefix="everlog-story-") as scratch:
        try:
            return tell_story(source, partition_id, invocation_id, Path(scratch) / "store", progress.at)
        finally:
            progress.done()


def _trimmed(source: Source, partition_id: int) -> int:
    """Up to where records are gone; 0: the log is whole."""
    log = source.log(partition_group(partition_id))
    return 0 if log is None or log.first_lsn <= 1 else log.first_lsn - 1


def _tell(story: Story, trimmed: int, paint: Paint) -> None:
    print(f"{paint.bold(story.invocation)}, partition {story.partition}")
    if trimmed:
        print(paint.note(f"Records up to LSN {trimmed} are trimmed; the story begins with {story.begins_with}."))
    if not story.replayed:
        print(paint.note("There is no checkpoint to replay from, so statuses and actions are not known, and commands "))
        print(paint.note("that do not name it are not shown."))
    if story.at_first is not None:
        print(f"At {story.begins_with} it was {_row_words(story.at_first)}.")
    width = shutil.get_terminal_size((120, 24)).columns
    for chapter in story.chapters:
        _tell_chapter(chapter, paint, width)
    print()
    _tell_end(story, paint)


def _tell_chapter(chapter: Chapter, paint: Paint, width: int) -> None:
    head = f"{chapter.lsn:>9}  {time_text(chapter.at_ms) if chapter.at_ms else '':<23} "
    if chapter.problem is not None:
        print(head + paint.bad(chapter.problem))
        return
    lines = textwrap.wrap(chapter.words, max(40, width - len(_INDENT)), break_long_words=False, break_on_hyphens=False)
    for number, line in enumerate(lines):
        name, _, rest = line.partition(" ")
        print(f"{head}{paint.bold(name)} {rest}" if not number else _INDENT + line)
    if chapter.fenced:
        print(_INDENT + paint.bad("changes nothing: its leader was replaced"))
    if chapter.before != chapter.after:
        print(_INDENT + paint.good(f"→ {chapter.before or 'none'} → {chapter.after or 'none'}"))
    for text in chapter.entries:
        print(_INDENT + f"→ {text}")
    for text in chapter.actions:
        print(_INDENT + paint.note(f"→ {text}"))


def _row_words(row: dict[str, Any]) -> str:
    return f"{row['status']} with {row['journal_length']} journal entries"


def _tell_end(story: Story, paint: Paint) -> None:
    if story.store_error is not None:
        print(paint.bad(f"How it stands now is not known: {story.store_error}"))
    elif story.now is None:
        print(f"As of LSN {story.now_lsn} the store does not know it (any more).")
        if story.dropped is not None:
            print(f"It ended before it began: {json.dumps(story.dropped, ensure_ascii=False)}")
    else:
        print(f"As of LSN {story.now_lsn} it is {paint.bold(_row_words(story.now))}:")
        for name, value in story.now.items():
            if value not in _QUIET:
                text = f" ({time_text(value)})" if name.endswith("_at_ms") else ""
                print(f"  {name}: {json.dumps(value, ensure_ascii=False)}{text}")
    for title, lines in (
        ("journal", story.journal),
        ("events", [json.dumps(event, ensure_ascii=False) for event in story.events]),
        ("messages on their way", story.on_the_way),
    ):
        if lines:
            print(f"{title}:")
            for line in lines:
                print(f"  {line}")
