"""Queries over the partitions' stores, by DataFusion. Runs in the query worker; knows nothing of any wire.

Modules:
    context         DataFusion's session: tables, views, memory and what is refused
    datasets        a table as DataFusion, or a look-up, scans it: columns and keys that the query needs, no more
    scan            where the rows of one scan come from: opened while the plan is made, read when it runs
    batches         rows -> Arrow batches of a bounded size
    expressions     DataFusion's filter -> predicate
    predicates      predicate -> what it says about each column (pure)
    hints           lists that DataFusion keeps to itself, read out of its plan
    first_rows      which rows of a scan an ORDER BY with a LIMIT may want
    scope           what one query reads: catalog, each store at one applied LSN, cancelling
    pace            rests of a scan while others want the machine
    stores          the partitions' stores, read beside their owner
    live_facts      what the programs of the node tell of themselves
    volatile        what the partition workers know and nobody stores
    arrow_types     column types as Arrow's
    explain         what reached the scans of a plan, in words
    queries         one query: planned, opened, fetched piece by piece
    results         batches as JSON text or an Arrow stream
    json_values     Arrow values as they stand in JSON
    json_sql        calls of JSON functions as DataFusion can plan them (pure)
    json_functions  the JSON functions themselves
    text_formats    times, durations and intervals as text (pure)
    lookups         `select … where id = '…'`, read off the statement's text (pure)
    refusals        what is refused before it is planned (pure)
    failures        DataFusion's messages -> SQLSTATE and HTTP status (pure)
"""
