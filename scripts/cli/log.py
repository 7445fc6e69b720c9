"""`everlog log dump|tail|stat`: the records of the log, decoded."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing

from scripts.cli import inspecting, options, show
from scripts.cli.people import Paint, time_text
from scripts.debug.log_lines import MetaLine, RecordLine, lines_of, meta_lines
from scripts.debug.log_stat import LogStat, stat_of
from scripts.debug.opening import open_source
from scripts.debug.ports import LogReader
from scripts.debug.source import Source, partitions_asked_for
from scripts.node.programs import Program
from shared.api.log import META_GROUP, partition_group
from shared.errors import ConfigError

__all__ = ["add_arguments", "run"]

_FOLLOW_EVERY_S = 0.2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `everlog log` takes."""
    parser.add_argument("what", choices=("dump", "tail", "stat"), help="all records; what comes from now on; counts")
    inspecting.add_source(parser)
    inspecting.add_partition(parser)
    parser.add_argument("--meta", action="store_true", help="the log of the control plane instead of the partitions'")
    parser.add_argument("--from", dest="start", type=inspecting.lsn, metavar="LSN", help="from this LSN on")
    parser.add_argument("--to", dest="end", type=inspecting.lsn, metavar="LSN", help="up to this LSN")
    parser.add_argument("--json", action="store_true", help="print one JSON object a record")


def run(arguments: argparse.Namespace, programs: Sequence[Program]) -> int:
    """1: a record could not be decoded; it is shown as it is."""
    with closing(open_source(options.load(arguments).data_path)) as source:
        logs = _logs(source, arguments)
        if arguments.what == "stat":
            return _stat(logs, arguments)
        if arguments.what == "tail":
            return _tail(logs, arguments)
        return max([_dump(group, log, arguments) for group, log in logs.items()], default=0)


def _logs(source: Source, arguments: argparse.Namespace) -> dict[str, LogReader]:
    groups = (
        [META_GROUP]
        if arguments.meta
        else [partition_group(number) for number in partitions_asked_for(source, arguments.partition)]
    )
    logs = {group: log for group in groups if (log := source.log(group)) is not None}
    if not logs:
        raise ConfigError(f"{source.path} has no log of {', '.join(groups) or 'any partition'}")
    start = arguments.start
    for group, log in logs.items():
        if start is not None and start < log.first_lsn:
            raise ConfigError(
                f"{group}: records before LSN {log.first_lsn} are trimmed (trim point {log.trim_lsn}); leave --from "
                "out, or look into a snapshot from before"
            )
    return logs


def _dump(group: str, log: LogReader, arguments: argparse.Namespace) -> int:
    start = arguments.start or max(log.first_lsn, 1)
    end = log.last_lsn if arguments.end is None else min(arguments.end, log.last_lsn)
    if not arguments.json and start == log.first_lsn > 1:
        print(f"{group}: records up to LSN {start - 1} are trimmed")
    return _print(group, log, start, end, _printer(arguments.json))


def _print(group: str, log: LogReader, start: int, end: int, write: Callable[[RecordLine | MetaLine], None]) -> int:
    status = 0
    for line in (meta_lines if group == META_GROUP else lines_of)(group, log, start, end):
        write(line)
        if line.problem is not None:
            status = 1
    return status


def _tail(logs: dict[str, LogReader], arguments: argparse.Namespace) -> int:
    """Until Ctrl-C, or --to is reached in each log."""
    write = _printer(arguments.json)
    following = {group: arguments.start or log.last_lsn + 1 for group, log in logs.items()}
    status = 0
    while following:
        next(iter(logs.values())).catch_up()
        for group, start in list(following.items()):
            log = logs[group]
            log.catch_up()
            end = log.last_lsn if arguments.end is None else min(arguments.end, log.last_lsn)
            if end >= start:
                status = max(status, _print(group, log, max(start, log.first_lsn), end, write))
                following[group] = end + 1
            if arguments.end is not None and following[group] > arguments.end:
                del following[group]
        sys.stdout.flush()
        if following:
            time.sleep(_FOLLOW_EVERY_S)
    return status


def _printer(as_json: bool) -> Callable[[RecordLine | MetaLine], None]:
    if as_json:
        return lambda line: print(json.dumps(line.as_json(), ensure_ascii=False))
    paint = Paint()

    def write(line: RecordLine | MetaLine) -> None:
        head = f"{line.group:<6} {line.lsn:>8}  {time_text(line.at_ms) if line.at_ms else '':<23}  "
        if line.problem is not None:
            print(head + paint.bad(line.problem))
            return
        place = f"term {line.term}" if isinstance(line, MetaLine) or line.epoch is None else f"{line.epoch}/{line.seq}"
        for number, text in enumerate(line.words):
            lead = head + f"{place:<10}  " if not number else " " * (len(head) + 12)
            name, _, rest = text.partition(" ")
            print(lead + paint.bold(name) + (f" {rest}" if rest else ""))

    return write


def _stat(logs: dict[str, LogReader], arguments: argparse.Namespace) -> int:
    stats = []
    for group, log in logs.items():
        start = arguments.start or max(log.first_lsn, 1)
        end = log.last_lsn if arguments.end is None else min(arguments.end, log.last_lsn)
        stats.append(stat_of(group, log, start, end))
    for stat in stats:
        if arguments.json:
            print(json.dumps(stat.as_json()))
        else:
            _tell_stat(stat, Paint())
    return 1 if any(stat.problems for stat in stats) else 0


def _tell_stat(stat: LogStat, paint: Paint) -> None:
    rate = f", {stat.rate:.1f} records/s" if stat.rate is not None else ""
    span = f"{time_text(stat.first_at_ms)} to {time_text(stat.last_at_ms)}" if stat.first_at_ms else "no time"
    print(paint.bold(f"{stat.group}: LSN {stat.first_lsn} to {stat.last_lsn}, trimmed up to {stat.trim_lsn}"))
    print(f"  {stat.batches} records of {stat.bytes} bytes, {stat.own_entries} entries of Raft's own; {span}{rate}")
    for epoch in stat.epochs:
        print(f"  epoch {epoch.lsn}: {epoch.node} from {time_text(epoch.at_ms)}, {epoch.batches} records")
    if stat.commands:
        rows = [(kind, str(count)) for kind, count in sorted(stat.commands.items(), key=lambda item: -item[1])]
        print(show.table([("COMMAND", "COUNT"), *rows], indent="  "))
    for problem in stat.problems:
        print(f"  {paint.bad(problem)}")
