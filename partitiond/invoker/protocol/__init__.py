"""The service protocol of one attempt, sans I/O. Pure: no I/O.

Modules, in the order of an attempt's way:
    start           the Start message and the replayed journal
    header          frames <-> messages
    conversation    bytes of the response in, effects out
    futures         what a suspension waits for, as a tree
    preconditions   what a handler may do, by its kind
    calls           calls with their target resolved from the catalog
    packed_state    large values of state, packed for the log
    callees         whether the handler is told at once whom it called
    habits          what attempts of one handler were seen to do
"""
