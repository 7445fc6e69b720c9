"""`scripts/recovery`: a node with much in it is killed, and how long it takes to come back, and with what memory.

Modules:
    main      arguments, the phases, the tables
    fill      invocations by the hundred thousand, written to the log of a node that is down
    batches   the records that make them
    node      a node that is started, killed and looked at
"""
