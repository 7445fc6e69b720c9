"""RocksDB: one database a partition.

Modules:
    rocksdb     get, scan, one atomic commit with the applied LSN, checkpoint
    memory      the same in a sorted dict, for tests and simulation (pure)
"""
