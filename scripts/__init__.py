"""What people run: the `everlog` command, the node it starts, and examples.

Modules:
    cli           the console script `everlog`, one file a verb
    debug         what `everlog story`, `log`, `replay`, `diff`, `step` and `doctor` read a node's data with
    node          a node's data directory, its supervisord and its programs
    example_node  what `scripts/up` runs: a node with the example services on it
    examples      services written with the official SDK
    benchmark     `scripts/bench`: Everlog and the oracle, measured in turn
    sqlbench      `scripts/bench sql`: what questions cost, beside the oracle
    growth        `scripts/bench growth`: what calls cost as work grows, beside the oracle
    burden        `scripts/memory`: a node under loads that are hard on memory
    laden         `scripts/recovery`: a node with much in it is killed, and how it comes back
"""
