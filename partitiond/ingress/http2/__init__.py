"""HTTP/2 without TLS (h2c by prior knowledge) for clients of the ingress.

Of the invoker's client it uses the layout of frames, and nothing that has to do with sockets. In the order that bytes
take:

    connection  one socket: requests -> the server's `answer`, joined writes, idle close, drain
    session     the client's frames -> streams with their requests (pure)
    control     frames that steer: SETTINGS, WINDOW_UPDATE, PING, GOAWAY, RST_STREAM (pure)
    stream      one request and its answer (pure)
    fields      header blocks -> request heads, answers' heads -> header blocks (pure)
    outflow     answers cut to what the client's windows allow (pure)
    faults      what a client broke, and what that ends (pure)
"""
