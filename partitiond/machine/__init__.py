"""The decisions: `apply(txn, batch) -> actions`. Pure: no I/O.

Modules:
    apply       command type -> handler, exhaustive; epochs and sequences
    context     what a handler may read and do: tables, time of the record, actions, messages
    actions     every action that the leader carries out
    status      invocation statuses and the legal transitions, as a table
    tables      the port by which the machine reads stored rows
    txn         read-through overlay that collects writes
    limiter     how many invocations of a scope run at once, and who waits
    rules       the rule book that the partition applies
    running     which invocations may run, kept for a leader that takes over
    chains      the start of a chain of attempts, and the permit for it
    journal     entries and notifications appended to an invocation's journal
    large_values  values that are stored once, and how many use each
    events      what happens beside the journal: failures of attempts, pauses
    messages    notification and failure bytes of the service protocol
    futures     whether what a handler waits for is settled
    lifecycle   one module a verb: invoke, suspend, complete, cancel …
    entries     one module a journal command: sleep, call, run, state …
    limiter_invariants  what must be true of permits, counters and queues
    large_invariants    what must be true of large values and their uses
    invariants  what must be true after every apply
    wakers      whether everything that waits has something that can wake it
"""
