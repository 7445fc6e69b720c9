"""The control plane: a state machine over group `meta` of logd, the admin API, and the catalog pushed to the node.

Modules, in the order that a registration takes:
    __main__    starts the daemon
    service     wiring: builds the parts, starts and drains them
    admin       the HTTP API, one module a resource
    registry    what may be decided: discovery answer -> command -> new catalog
    meta_log    follows and appends to group `meta`; the registry's newest state
    publisher   pushes the catalog to subscribers on metad's socket
    peers       one question to a worker or to sqld, and its answer
    cluster     how the node stands: readiness
"""
