"""Frames over Unix sockets: how the daemons of a node talk.

Modules:
    frames      bytes <-> frames (pure)
    connection  one peer: reads frames, joins writes per loop turn, keeps its buffers bounded
    client      a connection that comes back after the peer went away
    server      a listening socket and its connections
"""
