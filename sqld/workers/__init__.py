"""Query workers: processes that run queries and can be killed, since nothing else stops a runaway one.

Modules:
    protocol    what the parent and a worker say to each other (pure)
    query       one query as its client's session sees it
    pool        which worker takes a query; the first query starts one
    link        one worker process as its parent sees it
    process     the worker process: commands in, a watch over what runs
    runner      its thread that runs queries, and sends what they answer
    guard       priority, pace and memory of a running query
    crowd       whether the machine has a core to spare
    portals     the worker's open queries
"""
