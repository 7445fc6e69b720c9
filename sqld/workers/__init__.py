"""Query workers: processes that run queries and can be killed, since nothing else stops a runaway one.

Modules:
    protocol    what the parent and a worker say to each other (pure)
    query       one query as its client's session sees it
    pool        which worker takes a query; the first is always warm
    link        one worker process as its parent sees it
    process     the worker process: commands in, answers out
    portals     the worker's open queries
"""
