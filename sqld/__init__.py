"""Answers questions about what the runtime knows: SQL over live state, read-only.

Modules:
    service         joins the parts and drains them
    query_api       queries of metad's `POST /query`, on the socket `sqld`
    pgwire          the PostgreSQL wire protocol
    workers         query worker processes: started, asked, killed
    engine          queries over the partitions' stores, by DataFusion
    tables          what stands in each column
    catalog_feed    services, deployments and partitions, as metad pushes them
"""
