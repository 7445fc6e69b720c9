"""What the log carries. Pure: no I/O.

Modules:
    commands    one struct per command of the partition machine, and the effects within
    futures     what a handler waits for, as a tree of combinators
    batch       a batch of commands <-> bytes, with its format version
    plain       stored values as what JSON can say
"""
