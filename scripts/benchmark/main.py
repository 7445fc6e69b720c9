"""The entry of `scripts/bench`: arguments, the campaign, the report. Owns: the working folder and the signals.

Exit status: 0 all runs are valid; 1 something is not, or --guard found what got worse (the report says what); 2 wrong
usage; 130 interrupted, with a report of what there was. Nothing that was started outlives it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shlex
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any

from scripts.benchmark.breakdown import breakdown, breakdown_text
from scripts.benchmark.campaign import Campaign, say
from scripts.benchmark.facts import Facts, gather
from scripts.benchmark.guard import as_json
from scripts.benchmark.guarding import BASELINE, Guarded, guarded, make_sure, store
from scripts.benchmark.load import find_wrk
from scripts.benchmark.measurement import EVERLOG, ORACLE, summarize, verdicts
from scripts.benchmark.owned import Owned
from scripts.benchmark.profiler import Profiler
from scripts.benchmark.rows import QUICK_ROWS, ROWS, Row, pick
from scripts.benchmark.services import start_service
from scripts.benchmark.session import Session, Times
from scripts.benchmark.table import report
from scripts.benchmark.targets import Everlog, Oracle, Target, find_oracle
from shared.errors import ConfigError, EverlogError

__all__ = ["main", "parser", "partition_counts"]

_ROOT = Path(__file__).resolve().parents[2]
_QUICK: dict[str, Any] = {
    "rounds": 3,
    "duration": 2,
    "warm_up": 1,
    "oracle_partitions": "4",
    "rows": ",".join(QUICK_ROWS),
}
#: A baseline is measured more often than what is compared with it.
_STORED: dict[str, Any] = {"rounds": 5, "only": EVERLOG}
_BREAKDOWN_S = 5
#: What starting, registering and stopping a runtime takes, for the forecast.
_AROUND_A_RUN_S = 3
_FULL: dict[str, Any] = {"rounds": 3, "duration": 5, "warm_up": 3, "oracle_partitions": "1,4,24", "rows": ""}


def parser() -> argparse.ArgumentParser:
    """What `scripts/bench` takes."""
    result = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measures Everlog and the oracle in turn, on the same machine in one run.",
        epilog=f"rows: {', '.join(row.name for row in ROWS)}",
    )
    add = result.add_argument
    add("--rows", metavar="R,…", help="only these; `ts` means all that begin so (default: all)")
    add("--quick", action="store_true", help=f"about a minute: {_QUICK['rows']}, short, the oracle with 4 partitions")
    add("--rounds", type=int, metavar="N", help="runs of each configuration on each row (default 3)")
    add("--duration", type=int, metavar="S", help="seconds of a measured run (default 5, quick 2)")
    add("--warm-up", type=int, metavar="S", help="seconds of load before it (default 3, quick 1)")
    add("--only", choices=(EVERLOG, ORACLE), help="measure one side")
    add(
        "--everlog-args", default="", metavar="ARGS", help='more for `everlog up`, such as "--partitions 2 --workers 2"'
    )
    add("--everlog-command", default="", metavar="CMD", help="another `everlog` than this checkout's")
    add("--oracle-binary", metavar="PATH", help="restate-server (default: $EVERLOG_ORACLE, ../shared/oracle/restate)")
    add("--oracle-partitions", metavar="N,…", help="configurations of the oracle (default 1,4,24; quick 4)")
    add("--json", type=Path, metavar="FILE", help="write every run and the medians")
    add("--guard", action="store_true", help="compare with the baseline, and exit with 1 when something got worse")
    add("--baseline", type=Path, default=BASELINE, metavar="FILE", help="another than the repository's")
    add(
        "--store-baseline",
        action="store_true",
        help=f"measure Everlog alone, {_STORED['rounds']} rounds, and make that the baseline of its build",
    )
    add("--breakdown", action="store_true", help="instead: CPU, system calls and wall time of a Cheap call")
    add("--markdown", action="store_true", help="that as Markdown")
    add("--profile", type=Path, metavar="DIR", help="one more run of Everlog a row, with py-spy on each process")
    add("--profile-format", choices=Profiler.FORMATS, default="flamegraph", help="default: flamegraph")
    add("--work-dir", type=Path, metavar="DIR", help="where data is written; not in memory (default: the system's)")
    return result


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and report."""
    arguments = parser().parse_args(argv)
    defaults = (_QUICK if arguments.quick else _FULL) | (_STORED if arguments.store_baseline else {})
    for name, value in defaults.items():
        if getattr(arguments, name) is None:
            setattr(arguments, name, value)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        rows = pick(arguments.rows) if arguments.rows else list(ROWS)
        if min(arguments.rounds, arguments.duration, arguments.warm_up) < 1:
            raise ConfigError("--rounds, --duration and --warm-up take whole numbers from 1")
        find_wrk()
        return _break_down(arguments) if arguments.breakdown else _run(arguments, rows)
    except (EverlogError, ValueError) as error:
        say(f"scripts/bench: {error}")
        return 2
    except KeyboardInterrupt:
        return 130


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Once: the second Ctrl-C must not cut the cleaning up short, which has time limits of its own."""
    for again in (signal.SIGINT, signal.SIGTERM):
        signal.signal(again, lambda *_: say("stopping what was started…"))
    say("interrupted")
    raise KeyboardInterrupt


def _run(arguments: argparse.Namespace, rows: Sequence[Row]) -> int:
    everlog, oracles = _everlog(arguments), _oracles(arguments)
    targets: list[Target] = [*everlog, *oracles]
    if not targets:
        raise ConfigError("there is nothing to measure: no oracle was found; name it with --oracle-binary")
    profiler = Profiler(arguments.profile, format_=arguments.profile_format) if arguments.profile else None
    # A quick run that has nothing else to be compared with is compared with the baseline.
    compares = arguments.guard or (arguments.quick and not oracles)
    guards = compares or arguments.store_baseline
    compares = compares and not arguments.store_baseline
    with _working_folder(arguments.work_dir) as folder:
        facts = gather(folder=folder, root=_ROOT, oracle=oracles[0] if oracles else None)
        runs = len(rows) * len(targets) * arguments.rounds
        minutes = runs * (arguments.warm_up + arguments.duration + _AROUND_A_RUN_S) / 60
        say("\n".join([*facts.lines(), f"{runs} runs, about {max(1, round(minutes))} min"]))
        times = Times(warm_up_s=arguments.warm_up, duration_s=arguments.duration)
        session = Session(folder=folder, times=times, calibrates=guards)
        campaign = Campaign(session, targets, arguments.rounds, folder, _ROOT, profiler=profiler)
        interrupted = False
        try:
            campaign.run(rows)
            if arguments.guard and compares:
                make_sure(campaign, rows, path=arguments.baseline)
        except KeyboardInterrupt:
            interrupted = True
            campaign.notes.append("INTERRUPTED: what is above is what there was.")
    compared = guarded(campaign, rows, path=arguments.baseline) if compares else None
    _report(arguments, rows, facts, campaign, compared)
    if interrupted:
        return 130
    if arguments.store_baseline:
        print(store(campaign, rows, facts, path=arguments.baseline), flush=True)
    failed = arguments.guard and compared is not None and compared.failed
    return 1 if failed or campaign.notes or any(run.invalid for run in campaign.measurements) else 0


def _break_down(arguments: argparse.Namespace) -> int:
    owned = Owned()
    with _working_folder(arguments.work_dir) as folder:
        facts = gather(folder=folder, root=_ROOT, oracle=None)
        try:
            endpoint = start_service("cheap", owned=owned, folder=folder, root=_ROOT)
            place = folder / "n1"
            place.mkdir(mode=0o700)
            (target,) = _everlog(arguments)
            seconds = max(_BREAKDOWN_S, arguments.duration)
            found = breakdown(target, endpoint, place, warm_up_s=arguments.warm_up, seconds=seconds)
        finally:
            owned.end_all()
    print("\n".join(facts.lines()[:3]) + "\n\n" + breakdown_text(found, markdown=arguments.markdown), flush=True)
    return 0


def _everlog(arguments: argparse.Namespace) -> list[Everlog]:
    if arguments.only == ORACLE:
        return []
    return [Everlog(shlex.split(arguments.everlog_command), arguments.everlog_args)]


def _oracles(arguments: argparse.Namespace) -> list[Oracle]:
    if arguments.only == EVERLOG:
        return []
    binary = find_oracle(arguments.oracle_binary, root=_ROOT)
    if binary is None:
        say("no oracle is here: Everlog is measured alone (--oracle-binary PATH names one)")
        return []
    return [Oracle(binary, count) for count in partition_counts(arguments.oracle_partitions)]


def partition_counts(text: str) -> list[int]:
    """`1,4,24` as numbers. Raises ConfigError."""
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdigit() and int(word) > 0 for word in words):
        raise ConfigError(f"--oracle-partitions is {text!r}: want numbers from 1, such as 1,4,24")
    return [int(word) for word in dict.fromkeys(words)]


@contextlib.contextmanager
def _working_folder(parent: Path | None) -> Iterator[Path]:
    """A short path: Unix sockets are made under it."""
    with tempfile.TemporaryDirectory(prefix="evbench-", dir=parent, ignore_cleanup_errors=True) as name:
        yield Path(name)


def _report(
    arguments: argparse.Namespace, rows: Sequence[Row], facts: Facts, campaign: Campaign, compared: Guarded | None
) -> None:
    summaries = summarize(campaign.measurements)
    head = [*facts.lines(), *(f"{name}: {title}" for name, title in campaign.services.items())]
    head.append(
        f"{arguments.rounds} rounds of {arguments.duration} s after {arguments.warm_up} s of warm-up, in turn; one"
        " runtime up at a time, on fresh data; client: wrk, one thread."
    )
    print("\n".join(head) + "\n\n" + report(rows, summaries, notes=campaign.notes), flush=True)
    if compared is not None:
        print(f"\nGuard\n{compared.text}", flush=True)
    if arguments.json:
        content: dict[str, Any] = {
            "facts": facts.as_json(),
            "services": campaign.services,
            "arguments": {name: str(value) for name, value in vars(arguments).items() if value},
            "measurements": [asdict(run) for run in campaign.measurements],
            "summaries": [asdict(summary) for summary in summaries],
            "budget": [asdict(verdict) for verdict in verdicts(summaries, rows)],
            "notes": campaign.notes,
            "guard": as_json(compared.changes) if compared else [],
        }
        arguments.json.write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
