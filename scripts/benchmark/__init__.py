"""`scripts/bench`: Everlog and the oracle measured in turn, on the same machine in one run.

Modules:
    main             arguments, the campaign, the report
    campaign         the order of runs: row, round, configuration
    session          one run: start, register, warm up, load, measure, stop
    targets          how Everlog and the oracle are started and found
    services         the services that the rows call
    cheap            nginx with a fixed answer
    endpoint_python  the service with the Python SDK
    load             wrk, and what it counted
    sleepers         invocations that sleep: how soon many wake, what memory many take
    usage            CPU and memory of process trees
    processes        the same by program; how it was built
    calibration      how fast the machine is just now
    guard            what a call costs beside a stored baseline
    guarding         that baseline: read, compared with, stored
    breakdown        what a call costs each program, and where its wall time goes
    hops             that time, out of the system calls
    synced           are the data synced, and what does a sync cost
    profiler         py-spy on each process
    owned            processes that were started, and their end
    net              free ports and HTTP calls on loopback
    facts            the machine and the versions
    rows             what is measured, and the budget
    measurement      figures, medians, the best configuration, ratios
    table            the report as text

Not Python: wrk.lua (the load), node/ (the service with the TypeScript SDK).
"""
