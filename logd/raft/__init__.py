"""pysyncobj as the Raft engine, with its faults corrected.

Modules:
    private    every use of pysyncobj's private names; the engine of one group
    transport  a group's messages to and from its peers
    timing     heartbeats and elections, seconds (pure)
"""
