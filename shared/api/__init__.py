"""Requests and replies between daemons, one module a socket. Pure: no I/O.

Modules:
    log         logd's socket: append, follow, trim, leadership
    partition   a partition worker's socket: invoke, attach, awakeables, status
    meta        metad's socket: the catalog and the partition table, pushed
    sql         sqld's socket: queries for the admin API
"""
