"""Apply: replay the log, keep state, run what it asks for.

Modules, in the order of an invocation's way:
    ingress     HTTP request -> proposed command -> awaited reply (a process of its own)
    log         to and from logd: proposer and reader
    processor   the loop: read batch -> apply -> commit -> hand actions over
    machine     the decisions (pure)
    store       RocksDB: one database a partition
    leader      actions carried out, by the leader only
    invoker     HTTP calls of user services
    checkpointer  flushes the store, keeps a checkpoint, then lets logd trim
    keeper      keeps checkpoints, in a process of its own
    peers       the other workers, for messages between partitions
    worker      one worker process: its partitions and its socket
    parent      keeps the worker processes alive
"""
