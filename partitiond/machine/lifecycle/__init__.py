"""One module a verb of an invocation's life. Pure: no I/O.

Modules:
    announce    a leader takes over
    invoke      an invocation arrives: new, found again, or refused
    inbox       the lock of an object and the queue before it
    mutation    state that is changed from outside
    effects     what an attempt reports
    suspend     the handler waits; nothing runs
    pause       retries are exhausted or an operator asks: all is kept, nothing runs
    resume      an operator lets it go on
    restart     a completed invocation is done again, from a prefix of its journal
    complete    the end: result, callers, lock
    dropped     requests whose invocation was ended before it began
    timers      sleeps, scheduled starts, and attempts that were put off
    yielding    a permit that is given back between two attempts
    rules       the rule book changed
    signals     signals, awakeables and the cancel signal
    attach      others ask for a result
    terminate   cancel, kill, purge and purge-journal from outside
    deliver     messages from other partitions, and the outbox
    cleanup     retention is over
"""
