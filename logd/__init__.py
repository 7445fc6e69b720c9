"""ORDER: batches in, LSNs out. logd hosts this node's member of every Raft group; payloads are opaque bytes.

Modules, in the order that a batch takes:
    service    wiring: opens the store, brings groups up, drains
    server     requests and replies on the socket
    driver     the pump: ticks, one write, one sync
    group      one group: proposals in, committed batches out
    raft       pysyncobj as the engine, its faults corrected
    journal    one group's log, as pysyncobj indexes it
    entry      stored values <-> bytes (pure)
    keys       keys of the store (pure)
    registry   names of groups and their numbers
    store      the RocksDB below all groups
    syncer     fsync, in the loop or beside it
    reclaimer  gives the disk space of trimmed entries back
    peers      connections to the other nodes
    followers  committed batches to those who follow
    restore    a new log out of the files of a snapshot (a process of its own)
"""
