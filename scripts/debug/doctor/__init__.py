"""The invariants of a node's data, checked one by one. Each check yields findings and changes nothing.

Modules:
    findings    what a check says, and what all of them share
    folder      the data directory: formats, rights, space, leftovers
    logs        each group's log: whole, readable, its bounds in order
    stores      each partition's rows: readable, in range, the machine's invariants
    between     partitions beside one another: messages, and who can wake whom
    catalog     what the control plane decided, beside what the partitions have
    checkpoints kept checkpoints: whole, and such that the log goes on behind them
    anew        each store beside what its log gives, if it is asked for
    examine     all of them, in order
"""
