"""pysyncobj as the Raft engine, with its faults corrected.

Modules:
    private    every use of pysyncobj's private names; the engine of one group
    transport  a group's messages to and from its peers: corrections 2 and 3
    messages   Raft messages <-> bytes, checked (pure)
"""
