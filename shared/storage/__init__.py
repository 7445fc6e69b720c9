"""Keys and values of a partition's RocksDB: what partitiond writes and sqld reads. Pure: no I/O.

Modules:
    keys        key kinds and key codec
    values      value structs, versioned
    digest      one number for all rows of a store
"""
