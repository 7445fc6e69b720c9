"""Kept checkpoints of a partition, and snapshots of a whole node.

Modules:
    sealed_json     JSON files that carry their own checksum (pure)
    checkpoint_file what `checkpoint.json` says (pure)
    checkpoints     a partition's kept checkpoints: make, list, check, copy
    digest          SHA-256 over the rows of a kept checkpoint
    log_file        a piece of a group's log <-> bytes (pure)
    manifest        what `manifest.json` of a node's snapshot says (pure)
    place           a directory or object store that holds one
"""
