"""Looking into a node's data: what `everlog replay`, `story`, `log`, `diff`, `step` and `doctor` have in common.

Reads only, and asks no daemon for anything: a node that runs, one that is stopped and one that cannot start look the
same. It may import what is pure in any daemon, and the store of partitiond for scratch folders.

Modules, from bytes to words:
    ports       how rows and logs are read, wherever they come from (pure)
    source      where stores, logs and kept checkpoints are: a data directory, a snapshot, a folder
    snapshot    an exported snapshot (in the order of reading: it needs `replaying`)
    opening     a path -> the source that it is
    secondary   a RocksDB read beside its owner
    stores      one partition's rows, read beside their owner
    logs        one group's log, read beside logd
    rows        rows of a store in words (pure)
    actions     actions in words (pure)
    log_lines   the records of a log as lines to print (pure)
    log_stat    what a log holds, counted (pure)
    replaying   a partition made anew from its log in a scratch folder
    comparing   the replayed store beside what is stored, at each LSN that there is something of
    differing   where two stores differ (pure)
    story       all that ever happened to one invocation
    stepper     the prompt of `everlog step`
    doctor      the invariants, checked one by one
"""
