"""`python -m partitiond --data-dir D`: the parent of the partition workers."""

from partitiond.parent import serve
from shared.daemon import run_blocking

if __name__ == "__main__":
    run_blocking("partitiond", serve)
