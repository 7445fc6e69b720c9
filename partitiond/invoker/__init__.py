"""HTTP calls of user services: attempts of invocations, reported as effects.

Modules, in the order of an invocation's way:
    ports       what the invoker needs from outside
    invoker     the face: starts and aborts chains, shows their states
    chain       the attempts of one generation, one after the other
    surroundings  what all chains of a worker share
    opening     what an attempt begins with
    coalescer   what nobody waits for is reported with what follows it
    slots       how many attempts run at once, and who is next
    shares      what the workers of a node run together
    memory      what large states and messages may hold at once
    routes      which deployment serves an invocation, and how
    attempt     one HTTP request, from Start to End
    outbound    what an attempt has to send, read as the service takes it
    protocol    the service protocol, sans I/O
    response    what the head of a response says
    failure     why an attempt failed
    retry       delays and limits
    deadlines   one coarse timer for all attempts, exact ones for short time-outs
    endpoints   one endpoint an authority
    connect     opens an endpoint
    http1       HTTP/1.1 behind the face of the HTTP/2 pool
    http2       the HTTP/2 client
"""
