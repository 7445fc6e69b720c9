"""`scripts/bench sql`: what questions cost, and what they cost those who call meanwhile, beside the oracle.

Modules:
    main        arguments, the order of runs, the report
    filled      a runtime with so many completed invocations
    questions   look-ups, scans, and a load with and without a scan beside it

Not Python: fill.lua (calls with a new idempotency key each, for the oracle).
"""
