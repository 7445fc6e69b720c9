"""`python -m partitiond.ingress --data-dir D`: the HTTP front of the partitions."""

from __future__ import annotations

from partitiond.ingress.service import serve
from shared.daemon import run_daemon

if __name__ == "__main__":
    run_daemon("ingress", serve)
