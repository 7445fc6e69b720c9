"""What a simulation is made of, as its command says. Everything else follows from it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FAULTS", "WORLDS", "Plan"]

#: `cluster` is that of this folder; the others (worlds.py) have a log without Raft, and other programs: calls and sends
#: of two nodes, the same within scopes, and random programs of journal commands.
WORLDS = ("cluster", "nodes", "scopes", "programs")

#: What can be left out.
FAULTS = (
    "kill",
    "power",
    "stop",
    "cut",
    "island",
    "slow-disk",
    "full-disk",
    "slow-net",
    "clock",
    "commit",
    "raft",
    "rules",
    "repeat",
)


@dataclass(frozen=True)
class Plan:
    """`faults`: after so many there is calm. `without`: kinds that do not happen. Other worlds have the seed alone."""

    seed: int
    nodes: int = 3
    partitions: int = 2
    clients: int = 5
    requests: int = 12
    faults: int = 40
    without: tuple[str, ...] = ()
    world: str = "cluster"

    @classmethod
    def of_seed(cls, seed: int) -> Plan:
        """One node as today's clusters are, or three."""
        return cls(seed, nodes=1 if seed % 4 == 3 else 3)

    @property
    def command(self) -> str:
        """What repeats it."""
        words = ["scripts/simulate", "--seed", str(self.seed), "--nodes", str(self.nodes)]
        if self.world != "cluster":
            return f"scripts/simulate --seed {self.seed} --world {self.world}"
        usual = Plan.of_seed(self.seed)
        words = words[:3] if self.nodes == usual.nodes else words
        for name in ("partitions", "clients", "requests", "faults"):
            if getattr(self, name) != getattr(usual, name):
                words += [f"--{name}", str(getattr(self, name))]
        if self.without:
            words += ["--without", ",".join(self.without)]
        return " ".join(words)
