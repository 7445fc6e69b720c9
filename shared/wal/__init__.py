"""What the log carries. Pure: no I/O.

Modules:
    commands    one struct per command of the partition machine, and the effects within
    batch       a batch of commands <-> bytes, with its format version
"""
