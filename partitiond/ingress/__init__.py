"""The HTTP door: `python -m partitiond.ingress` turns requests into commands for the leading processor and waits.

A process of its own: it imports nothing of partitiond but itself, and the layout of HTTP/2's frames.

Modules, in the order of a request's path:
    __main__        starts the process
    service         wiring: listens, connects, drains on SIGTERM
    door            the first bytes of a connection -> who speaks that HTTP
    http_server     listening sockets, connections, drain
    http1/          HTTP/1.1
    http2/          HTTP/2 without TLS
    answering       a request of either -> its whole answer
    handlers        carries a route out: asks the router, makes the answer
    paths           method and path -> route (pure)
    names           ids and keys as they are written in a path (pure)
    directory       the catalog in the form that a request needs (pure)
    validation      what a handler's input may be (pure)
    requests        route, headers and body -> Invoke command (pure)
    targets         JSON bodies of attach, output and lookup -> invocation id (pure)
    router          finds the worker of a partition, sends, retries
    replies         results -> status, headers, body (pure)
    timestamps      milliseconds since the epoch -> RFC 3339 (pure)
    errors          everything that the ingress refuses, and in which words (pure)
"""
