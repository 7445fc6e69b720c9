"""One node on this machine: its data directory, its programs and the supervisord that keeps them alive.

Modules, in the order of a start:
    programs    the table of programs and their command lines
    layout      the data directory: format, lock, folders
    ports       public ports: are they free, and who has them
    conf        the supervisord configuration
    launch      start, wait until ready, stop
    forked      a fork of this process, for whoever started it
    ahead       that fork made before it is known for which node, so that it imports meanwhile
    early       and the program that has the most to import forked by that one
    child       what a child does before it is a program: it ends with its parent, imports as programs do
    supervisor  what is forked: supervisord with quick restarts, no giving up, and restart counts
    warm        programs in a fork of supervisord, which has imported their modules
    control     calls to the running supervisord
    readiness   who answers: sockets, ports and the admin API's /health
    workers     questions to the partition workers
    offline     what is asked of the data of a stopped node
    exporting   a snapshot of a node, running or stopped
    importing   a data directory out of a snapshot
    partitions  how each partition stands, asked of the workers
    logfiles    tails of the programs' logs
    procfs      what /proc tells about processes and ports
    version     the version of this Everlog
"""
