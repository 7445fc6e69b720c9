"""The programs of a node, as data: `PROGRAMS` is the table that supervisord's configuration is made of."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from shared.config import Settings

__all__ = ["PROGRAMS", "Program"]


@dataclass(frozen=True, slots=True)
class Program:
    """One program that supervisord keeps running."""

    name: str
    #: What follows the interpreter: a module (`-m logd`) or a file.
    arguments: tuple[str, ...]
    #: Names of its sockets in `run/`; `{worker}` stands for each worker's number. It is up when all of them answer.
    socket: str = ""
    #: A TCP port that it listens on, for a program without a socket in `run/`.
    port: int = 0
    #: Every program of Everlog takes `--data-dir`; an example service does not.
    takes_data_dir: bool = True
    #: What supervisord imports, so that this program need not: `logd` of `-m logd`; "": it runs by itself.
    module: str = ""
    #: It imports that itself: its libraries take long, and are used by no other.
    alone: bool = False
    #: And is forked before supervisord's own modules are imported: it is what a start would wait for.
    early: bool = False

    def command(self, data_dir: Path) -> list[str]:
        """Its command line. `-P`: the working directory is no place to import from."""
        tail = ["--data-dir", str(data_dir)] if self.takes_data_dir else []
        return [sys.executable, "-P", *self.arguments, *tail]

    def sockets(self, settings: Settings) -> list[Path]:
        """Every Unix socket that the program listens on."""
        if not self.socket:
            return []
        if "{worker}" not in self.socket:
            return [settings.socket(self.socket)]
        return [settings.socket(self.socket.format(worker=number)) for number in range(settings.worker_count)]


#: In starting order: each is forked when its modules are there. Nobody waits for anybody: each copes with the others
#: being away. metad is the first since it has the most to import, and does so while supervisord imports for the others.
#: Then come the partitions, whose stores take longer to open than the log.
PROGRAMS: tuple[Program, ...] = (
    Program("metad", ("-m", "metad"), module="metad", alone=True, early=True, socket="metad"),
    Program("partitiond", ("-m", "partitiond"), module="partitiond", socket="partitiond-{worker}"),
    Program("logd", ("-m", "logd"), module="logd", socket="logd"),
    Program("ingress", ("-m", "partitiond.ingress"), module="partitiond.ingress", socket="ingress"),
    Program("sqld", ("-m", "sqld"), module="sqld", socket="sqld"),
)
