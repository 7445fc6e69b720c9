"""The SQL tables: columns, types and what they mean. metad documents them, sqld fills them. Pure: no I/O.

Modules:
    columns                     how a table is described
    sys_invocation_status       what is stored of each invocation
    sys_invocation_state        what the invokers know of running attempts
    sys_invocation              both joined: the view that users ask first
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
    sys_vqueues                 every invocation as an entry of its queue
    sys_vqueue_entry_status     the same, by the invocation's id
    sys_vqueue_meta             what is known of each queue
    sys_scheduler               queues in which somebody waits
    partitions                  how each partition stands
    nodes                       the node that answers
    log_groups                  the Raft logs of the node
    daemons                     the programs of the node
    log                         the records of the partitions' logs, decoded
    registry                    all of them by name
"""
