"""What stands in each column: rows of a partition's store, of the catalog and of the workers. Pure: no I/O.

Modules:
    keyspace                    what a query says about keys, as ranges of a store
    source                      the kinds of tables, by where their rows come from
    node_facts                  what the programs of the node tell of themselves
    entry_json                  a journal entry as JSON
    future_json                 what a handler waits for as JSON
    command_words               commands of the log in words
    vqueues                     invocations in the words of virtual queues
    sys_invocation_status       what is stored of each invocation
    sys_invocation_state        what the invokers know of running attempts
    sys_journal                 the journals of all invocations
    sys_journal_events          failures of attempts and pauses, beside the journals
    state                       key-value state of objects and workflows
    sys_inbox                   invocations that wait for their object
    sys_keyed_service_status    locks of objects
    sys_locks                   the same, as newer clients ask for them
    sys_promise                 durable promises of workflows
    sys_service                 registered services
    sys_deployment              registered deployments
    sys_rules                   the rule book of flow control
    sys_user_limits             the live counters of flow control
    sys_invocation              stored record and running attempt of each invocation, in one pass
    everlog_read_lsns           which state of each partition a query reads
    sys_vqueues                 every invocation as an entry of its queue
    sys_vqueue_entry_status     the same, by the invocation's id
    partitions                  how each partition stands
    nodes                       the node that answers
    log_groups                  the Raft logs of the node
    daemons                     the programs of the node
    log                         the records of the partitions' logs, decoded
    registry                    which source fills which table
"""
