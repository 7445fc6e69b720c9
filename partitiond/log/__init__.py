"""To and from logd.

Modules:
    link        one connection to logd for all partitions of a worker
    proposer    commands of a leader -> batches in sequence
"""
