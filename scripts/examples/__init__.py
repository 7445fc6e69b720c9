"""Services written with the official Python SDK, one a kind. See README.md in this folder for how to call them.

Modules:
    greeter   a service: stateless handlers, and a step whose result is kept
    counter   a virtual object: state and one handler at a time for each key
    sign_up   a workflow: once for each key, waiting for a promise or a timer
    trip      a saga: steps that are undone when a later one fails for good
    app       all of them behind one port
"""
