"""Keys and values of a partition's RocksDB: what partitiond writes and sqld reads. Pure: no I/O.

Modules:
    keys        key kinds and key codec
    values      value structs, versioned
    large       values that are stored once, and put together with what names them
    packing     large contents, compressed
    digest      one number for all rows of a store
"""
