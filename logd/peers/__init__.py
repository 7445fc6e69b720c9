"""This node and its peers: one TCP connection each, for the Raft messages of all groups.

Modules:
    options    who the peers are, and the cluster's secret
    wire       what goes over the connection (pure)
    handshake  who is at the other end, proved by the secret (pure)
    link       one connection: its handshake, its budget, its pulse
    fabric     all links: dials, accepts, sends, delivers
"""
