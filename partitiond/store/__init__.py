"""RocksDB: one database a partition.

Modules:
    rocksdb     get, scan, one atomic commit with the applied LSN, checkpoint
    rebuild     open it, and make a damaged one anew from a kept checkpoint and the log
    memory      the same in a sorted dict, for tests and simulation (pure)
"""
