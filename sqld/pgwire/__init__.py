"""The PostgreSQL wire protocol, version 3.

Modules:
    server          listens, counts connections, finds the session that a cancel request means
    connection      one client's socket: messages in, bytes out, with back-pressure
    session         one client: startup, simple and extended queries, transactions
    portals         prepared statements and portals of a session
    statements      cuts query strings into statements and knows those that need no engine (pure)
    errors          failures -> the fields of ErrorResponse (pure)
    settings        SET and SHOW (pure)
    types           PostgreSQL's types and Arrow's (pure)
    encode          values -> text and binary of the wire (pure)
    parameters      a client's parameters -> values, and which types they have (pure)
    scalars         parameters as DataFusion takes them; runs in the query worker
    rows            Arrow batches -> DataRow messages; runs in the query worker
    catalogue       what psql and drivers ask of pg_catalog; runs in the query worker
"""
