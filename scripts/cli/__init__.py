"""The console script `everlog`: one module a verb, imported only when its verb is asked for.

Modules:
    main        the verbs and their dispatch
    deeds       verbs with deeds of their own
    options     arguments that several verbs take
    up          start a node
    down        stop it
    status      how its programs stand
    restart     restart one program
    config      the merged settings
    logs        the programs' logs
    checkpoint  a checkpoint now
    snapshot    export and import
    invoke      call a handler
    invocations     list, look into, cancel, kill, pause, resume, restart, purge
    services    what can be called
    deployments     where services run
    state       of objects and workflows
    rules       limits of scopes
    sql         questions in SQL
    completion  what the shell may complete
    story       all that ever happened to an invocation
    log         the records of the log
    doctor      what is wrong with a node's data
    replay      partitions made anew from their logs
    diff        two stores, row by row
    step        a replay, one command at a time
    inspecting  arguments of those who look into data
    people      times, colours, progress
    show        text for people: tables, durations
"""
