"""HTTP/1.1 for clients of the ingress.

The parser is llhttp (`httptools`), strict as it comes: what peers may read in two ways is refused, never mended. In
the order that bytes take:

    connection  one socket: requests one at a time, joined writes, flow control, time-outs, drain
    reader      bytes -> requests, in order; what is no HTTP -> the last answer's words (pure)
    request     one request, as far as it has come (pure)
    stepper     a request's coroutine, begun at once and without a task
    encoding    an answer -> its bytes (pure)
"""
