"""Actions carried out, by the leader only.

Modules:
    leader      one partition's leader: announce, recover, lead, step down; the invoker's host
    dispatch    action type -> performer, exhaustive
    requests    what clients of the worker's socket ask for
    verbs       pause, resume, restart as new
    replies     who waits for which invocation
    answers     requests answered by the fate of their own command
    lane        large requests on their way to the log
    timers      the next due timer
    outbox      messages on their way to other partitions
    cleaner     proposes to forget what has expired
    tasks       background tasks that fail loudly
    recovery    what a new leader finds in the store
"""
