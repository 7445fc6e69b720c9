"""What two or more daemons share: words, formats and the ways they talk.

Modules, from the words to the wires:
    errors      the error families
    formats     versions of a node as a whole, and how an unknown one is refused
    clock       time as a port
    ids         invocation, deployment and awakeable ids; keys of the key space
    state_version   the version of an object's state, by which an edit says what it was made for
    limits      scopes, limit keys and the rules that bound them
    durations   texts such as `1m 30s` -> milliseconds
    config      the one settings file
    logs        structured logging
    disk        is there room, and may it be written
    descriptors how many files and sockets there may be
    refusal     the answer to a connection that is one too many
    host_watch  tells of descriptors that run out and clocks that are set
    daemon      how every daemon starts and ends
    signals     those that end a process, held back while it forks
    scheduling  how Linux shares the processor among us and others
    turn        what is written at the end of a loop turn, or sooner
    wal         what the log carries: batches of commands
    catalog     services, handlers, deployments and the partition table
    protocol    the service protocol's messages
    storage     keys and values of a partition's RocksDB
    snapshots   kept checkpoints of partitions, snapshots of a node
    tables      the SQL tables: columns, types and their meaning
    api         requests and replies between the daemons
    transport   what every call of a user service has in common: identity, TLS
    rpc         frames over Unix sockets
    damage          names of what is damaged and put aside
    rocksdb_wal     what RocksDB's log files and manifest hold (pure)
    wal_guard       looks through them before RocksDB does
    bounded_scan    iterators over a range of a RocksDB
    catalog_client  keeps the newest catalog from metad
"""
