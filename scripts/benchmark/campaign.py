"""All runs of one call of `scripts/bench`, interleaved. Owns: the services."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from scripts.benchmark.cheap import MissingProgramError
from scripts.benchmark.measurement import Measurement
from scripts.benchmark.owned import Owned
from scripts.benchmark.profiler import Profiler
from scripts.benchmark.rows import Row
from scripts.benchmark.services import Endpoint, start_service
from scripts.benchmark.session import Session
from scripts.benchmark.table import run_line
from scripts.benchmark.targets import Target
from shared.errors import EverlogError

__all__ = ["Campaign", "say"]

#: A configuration that cannot even be started so often in a row is given up.
_FAILED_STARTS_MAX = 2


def say(text: str) -> None:
    """Progress, on stderr."""
    print(text, file=sys.stderr, flush=True)


@dataclass(slots=True)
class Campaign:
    """Row by row, round by round: in each round every configuration is run once, in turn.

    Invariant: `measurements` and `notes` are whole at any moment, so an interrupted campaign can be reported.
    """

    session: Session
    targets: Sequence[Target]
    rounds: int
    folder: Path
    root: Path
    profiler: Profiler | None = None
    measurements: list[Measurement] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    services: dict[str, str] = field(default_factory=dict)
    _failed_starts: dict[str, int] = field(default_factory=dict)

    def run(self, rows: Sequence[Row]) -> None:
        """Measure them all. A service that cannot be started is noted, and its rows are left out."""
        for service, beside in dict.fromkeys((row.service, row.beside) for row in rows):
            owned = Owned()
            try:
                endpoint = self._start(service, owned)
                if beside is not None:
                    endpoint = replace(endpoint, beside=(self._start(beside, owned).uri,))
                for row in (row for row in rows if (row.service, row.beside) == (service, beside)):
                    self._run_row(row, endpoint)
            except MissingProgramError as error:
                self._note(f"SKIPPED the {service} rows: {error}")
            except EverlogError as error:
                self._note(f"FAILED the {service} rows: {error}")
            finally:
                owned.end_all()

    def _start(self, service: str, owned: Owned) -> Endpoint:
        endpoint = start_service(service, owned=owned, folder=self.folder, root=self.root)
        self.services[service] = endpoint.title
        return endpoint

    def _run_row(self, row: Row, endpoint: Endpoint) -> None:
        rounds = self.rounds if row.rounds_max is None else min(self.rounds, row.rounds_max)
        # Rows that are measured again go on counting: a figure of one round is compared with the same round's.
        before = max((run.round for run in self.measurements if run.row == row.name), default=0)
        for round_ in range(before + 1, before + rounds + 1):
            for target in self.targets:
                if self._failed_starts.get(target.configuration, 0) < _FAILED_STARTS_MAX:
                    measurement = self.session.measure(row, target, endpoint, round_=round_)
                    self.measurements.append(measurement)
                    self._account(measurement)
        if self.profiler is not None:
            for target in (target for target in self.targets if target.side == "everlog"):
                say(f"{row.name}  {target.configuration}: one more run, profiled")
                self.session.measure(row, target, endpoint, round_=0, profiler=self.profiler)

    def _account(self, run: Measurement) -> None:
        shown = run_line(asdict(run.figures)) if run.figures else ""
        bad = f"INVALID: {run.invalid}" if run.invalid else ""
        of = max(run.round, self.rounds)
        say(f"{run.row}  round {run.round}/{of}  {run.configuration}: {'; '.join(filter(None, (shown, bad)))}")
        name = run.configuration
        self._failed_starts[name] = self._failed_starts.get(name, 0) + 1 if run.start_s is None else 0
        if self._failed_starts[name] == _FAILED_STARTS_MAX:
            self._note(f"GAVE UP {name}, which did not come to its first answer {_FAILED_STARTS_MAX} times in a row.")

    def _note(self, text: str) -> None:
        self.notes.append(text)
        say(text)
