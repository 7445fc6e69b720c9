"""What the verbs that ask a node share: where it is, how it is asked, what people see.

Modules, in path order:
    failures    what goes wrong, and with which exit status it ends
    address     where the node is: flags, environment, the data directory
    http        one request to a node
    admin       questions to the admin API
    calls       calls of handlers at the ingress (pure)
    filters     which invocations are meant, as SQL (pure)
    batches     one verb for many invocations
    details     one invocation: its facts, timeline and journal
    entries     a journal entry in a line (pure)
    object_state    the state of one key: read, write, version
    statements  SQL that comes in pieces
    answers     the batches of a query's answer
    values      Arrow values as text and JSON
    writers     CSV, JSON, Arrow and Parquet, batch by batch
    sheet       rows of a query for people
    watching    the same again and again
    prompt      statements that are typed, one after another
    ticker      progress of something long, on stderr
    grid        tables that fit a terminal (pure)
    when        times for people
    screen      the terminal: width, colours, questions
    completing  what the shell may complete
"""
