"""The console script `everlog`: one module a verb, imported only when its verb is asked for.

Modules:
    main        the verbs and their dispatch
    options     arguments that several verbs take
    up          start a node
    down        stop it
    status      how its programs stand
    restart     restart one program
    config      the merged settings
    logs        the programs' logs
    checkpoint  a checkpoint now
    snapshot    export and import
    show        text for people: tables, durations
"""
