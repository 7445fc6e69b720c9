"""One module a journal command, called by its protocol name. Pure: no I/O.

Modules:
    table           which entry is stored and done by whom
    completions     which notifications complete a command
    output          the handler's result
    state           get, set, clear, keys: lazy and eager
    sleep           a timer that completes
    call            call and one-way call
    run             a side effect whose result the SDK proposes
    promise         durable promises of workflows: get, peek, complete
    send_signal     signals and awakeables for other invocations
    attach          attach to, or look at, another invocation's result
"""
