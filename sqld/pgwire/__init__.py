"""The PostgreSQL wire protocol, version 3.

Modules:
    port            listens
    server          counts connections, finds the session that a cancel request means
    connection      one client's socket: messages in, bytes out, with back-pressure
    frames          a client's bytes -> messages, with limits (pure)
    tls             TLS of a connection, over memory
    login           from a new connection to a user who is known
    scram           SCRAM-SHA-256, the server's side (pure)
    users           who may connect: the file of the settings
    session         one client: simple and extended queries, cursors
    commands        statements that change or show only the session
    state           what a session has: settings, a transaction, statements, portals
    portals         prepared statements and portals
    statements      cuts query strings into statements and knows those that need no engine (pure)
    errors          failures -> the fields of ErrorResponse (pure)
    settings        SET and SHOW (pure)
    types           PostgreSQL's types and Arrow's (pure)
    encode          values -> text and binary of the wire (pure)
    parameters      a client's parameters -> values, and which types they have (pure)
    intervals       intervals that clients write (pure)
    scalars         parameters as DataFusion takes them; runs in the query worker
    rows            Arrow batches -> DataRow messages; runs in the query worker
    catalogue       what psql and drivers ask of pg_catalog; runs in the query worker
"""
